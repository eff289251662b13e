/* SPDX-License-Identifier: Apache-2.0 */
/* Which verb is legal in which state, and what is said when it is not. Engines match on these texts. */
#include "joey/runtime.h"

#define NOT_RUNNING   "container not running"
#define NO_CHECKPOINT "Container cannot be checkpointed in %s state"

/* NULL: legal.  %i stands for the id, %s for the state. */
static const char *const refusals[JOEY_OP_MAX][JOEY_ST_MAX] = {
	[JOEY_OP_START] = {
		[JOEY_ST_CREATING] = "cannot start a container in the %s state",
		[JOEY_ST_RUNNING] = "cannot start an already running container",
		[JOEY_ST_PAUSED] = "cannot start a container in the %s state",
		[JOEY_ST_STOPPED] = "cannot start a container that has stopped",
	},
	[JOEY_OP_KILL] = {
		[JOEY_ST_CREATING] = NOT_RUNNING,
		[JOEY_ST_STOPPED] = NOT_RUNNING,
	},
	[JOEY_OP_DELETE] = {
		[JOEY_ST_CREATING] = "cannot delete container %i that is not stopped: %s",
		[JOEY_ST_RUNNING] = "cannot delete container %i that is not stopped: %s",
		[JOEY_ST_PAUSED] = "cannot delete container %i that is not stopped: %s",
	},
	[JOEY_OP_EXEC] = {
		[JOEY_ST_CREATING] = "cannot exec in a container in the %s state",
		[JOEY_ST_PAUSED] = "cannot exec in a paused container (use --ignore-paused to override)",
		[JOEY_ST_STOPPED] = "cannot exec in a stopped container",
	},
	[JOEY_OP_PAUSE] = {
		[JOEY_ST_CREATING] = NOT_RUNNING,
		[JOEY_ST_PAUSED] = NOT_RUNNING,
		[JOEY_ST_STOPPED] = NOT_RUNNING,
	},
	[JOEY_OP_RESUME] = {
		[JOEY_ST_CREATING] = "container not paused",
		[JOEY_ST_CREATED] = "container not paused",
		[JOEY_ST_RUNNING] = "container not paused",
		[JOEY_ST_STOPPED] = "container not paused",
	},
	[JOEY_OP_UPDATE] = {
		[JOEY_ST_CREATING] = NOT_RUNNING,
		[JOEY_ST_STOPPED] = NOT_RUNNING,
	},
	[JOEY_OP_EVENTS] = {
		[JOEY_ST_CREATING] = "container with id %i is not running",
		[JOEY_ST_STOPPED] = "container with id %i is not running",
	},
	[JOEY_OP_CHECKPOINT] = {
		[JOEY_ST_CREATING] = NO_CHECKPOINT,
		[JOEY_ST_CREATED] = NO_CHECKPOINT,
		[JOEY_ST_STOPPED] = NO_CHECKPOINT,
	},
};

int joey_op_check(enum joey_op op, enum joey_status st, const char *id, struct joey_err *err)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	const char *text = refusals[op][st];

	if (!text)
		return 0;
	for (; *text; text++) {
		if (text[0] == '%' && text[1] == 'i')
			joey_str_add(&s, id);
		else if (text[0] == '%' && text[1] == 's')
			joey_str_add(&s, joey_status_to_string(st));
		else {
			joey_str_addn(&s, text, 1);
			continue;
		}
		text++;
	}
	return joey_err_set(err, JOEY_EK_STATE, EBUSY, "%s", s.failed || !s.buf ? NOT_RUNNING : s.buf);
}
