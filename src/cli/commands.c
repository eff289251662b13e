/* SPDX-License-Identifier: Apache-2.0 */
/* The command table, in the order of `joey --help`. */
#include "cli/cli-internal.h"

const struct command *const commands[] = {
	&cmd_check,  &cmd_completion, &cmd_create, &cmd_delete,     &cmd_features, &cmd_kill, &cmd_list,
	&cmd_run,    &cmd_spec,       &cmd_start,  &cmd_state,      &cmd_exec,     &cmd_ps,   &cmd_pause,
	&cmd_resume, &cmd_update,     &cmd_events, &cmd_checkpoint, &cmd_restore,  NULL,
};

const struct command *command_find(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (joey_streq(commands[i]->name, name))
			return commands[i];
	return NULL;
}
