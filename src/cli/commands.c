/* SPDX-License-Identifier: Apache-2.0 */
/* The command table, in the order of `joey --help`. */
#include <string.h>

#include "cli/cli-internal.h"

const struct command *const commands[] = {
	&cmd_check,  &cmd_completion, &cmd_create,  &cmd_delete,   &cmd_features, &cmd_kill,  &cmd_list,   &cmd_run,
	&cmd_spec,   &cmd_start,      &cmd_state,   &cmd_exec,     &cmd_ps,       &cmd_pause, &cmd_resume, &cmd_update,
	&cmd_events, &cmd_checkpoint, &cmd_restore, &cmd_template, &cmd_logs,     NULL,
};

const struct command *command_find(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (joey_streq(commands[i]->name, name))
			return commands[i];
	return NULL;
}

const char *command_sub_name(const struct command *sub)
{
	const char *blank = strrchr(sub->name, ' ');

	return blank ? blank + 1 : sub->name;
}

const struct command *command_find_sub(const struct command *c, const char *name)
{
	for (size_t i = 0; c->subs && c->subs[i]; i++)
		if (joey_streq(command_sub_name(c->subs[i]), name))
			return c->subs[i];
	return NULL;
}
