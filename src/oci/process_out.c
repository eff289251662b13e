/* SPDX-License-Identifier: Apache-2.0 */
/* struct joey_process as JSON, as src/oci/process.c reads it: what is not set is left out. */
#include <ctype.h>

#include <sys/capability.h>

#include "oci/oci-internal.h"

static void text(struct joey_json_out *o, const char *key, const char *v)
{
	if (v)
		joey_json_out_string(o, key, v);
}

static void strings(struct joey_json_out *o, const char *key, const struct joey_strlist *list)
{
	joey_json_out_array(o, key);
	for (size_t i = 0; i < list->n; i++)
		joey_json_out_string(o, NULL, list->v[i]);
	joey_json_out_end(o);
}

static void user(struct joey_json_out *o, const struct joey_user *u)
{
	joey_json_out_object(o, "user");
	joey_json_out_u64(o, "uid", u->uid);
	joey_json_out_u64(o, "gid", u->gid);
	if (u->umask.set)
		joey_json_out_u64(o, "umask", u->umask.v);
	if (u->n_additional_gids > 0) {
		joey_json_out_array(o, "additionalGids");
		for (size_t i = 0; i < u->n_additional_gids; i++)
			joey_json_out_u64(o, NULL, u->additional_gids[i]);
		joey_json_out_end(o);
	}
	joey_json_out_end(o);
}

/* libcap's names are in lower case; for a number that it does not know it gives the number. */
static void capability(struct joey_json_out *o, unsigned number)
{
	char *name = cap_to_name((cap_value_t)number);
	unsigned same;

	for (char *p = name; p && *p; p++)
		*p = (char)toupper((unsigned char)*p);
	if (name && joey_cap_from_string(name, &same) == 0)
		joey_json_out_string(o, NULL, name);
	cap_free(name);
}

static void capabilities(struct joey_json_out *o, const struct joey_caps *caps)
{
	const struct {
		const char *key;
		uint64_t set;
	} sets[] = {
		{ "bounding", caps->bounding },       { "effective", caps->effective },
		{ "inheritable", caps->inheritable }, { "permitted", caps->permitted },
		{ "ambient", caps->ambient },
	};

	joey_json_out_object(o, "capabilities");
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(sets); i++) {
		joey_json_out_array(o, sets[i].key);
		for (unsigned bit = 0; bit < 64; bit++)
			if (sets[i].set & UINT64_C(1) << bit)
				capability(o, bit);
		joey_json_out_end(o);
	}
	joey_json_out_end(o);
}

static void rlimits(struct joey_json_out *o, const struct joey_process *p)
{
	joey_json_out_array(o, "rlimits");
	for (size_t i = 0; i < p->n_rlimits; i++) {
		joey_json_out_object(o, NULL);
		text(o, "type", oci_name_of(&oci_names_rlimits, (uint64_t)p->rlimits[i].resource));
		joey_json_out_u64(o, "soft", p->rlimits[i].soft);
		joey_json_out_u64(o, "hard", p->rlimits[i].hard);
		joey_json_out_end(o);
	}
	joey_json_out_end(o);
}

static void scheduler(struct joey_json_out *o, const struct joey_scheduler *s)
{
	joey_json_out_object(o, "scheduler");
	text(o, "policy", oci_name_of(&oci_names_sched_policies, s->policy));
	joey_json_out_i64(o, "nice", s->nice);
	joey_json_out_i64(o, "priority", s->priority);
	joey_json_out_array(o, "flags");
	for (size_t i = 0; i < oci_names_sched_flags.n; i++)
		if (s->flags & oci_names_sched_flags.v[i].value)
			joey_json_out_string(o, NULL, oci_names_sched_flags.v[i].name);
	joey_json_out_end(o);
	joey_json_out_u64(o, "runtime", s->runtime);
	joey_json_out_u64(o, "deadline", s->deadline);
	joey_json_out_u64(o, "period", s->period);
	joey_json_out_end(o);
}

static void tuning(struct joey_json_out *o, const struct joey_process *p)
{
	if (p->oom_score_adj.set)
		joey_json_out_i64(o, "oomScoreAdj", p->oom_score_adj.v);
	if (p->scheduler)
		scheduler(o, p->scheduler);
	if (p->io_priority) {
		joey_json_out_object(o, "ioPriority");
		text(o, "class", oci_name_of(&oci_names_io_classes, (uint64_t)p->io_priority->class));
		joey_json_out_i64(o, "priority", p->io_priority->priority);
		joey_json_out_end(o);
	}
	if (p->cpu_affinity_initial || p->cpu_affinity_final) {
		joey_json_out_object(o, "execCPUAffinity");
		text(o, "initial", p->cpu_affinity_initial);
		text(o, "final", p->cpu_affinity_final);
		joey_json_out_end(o);
	}
}

void joey_process_write(struct joey_json_out *o, const char *key, const struct joey_process *p)
{
	joey_json_out_object(o, key);
	joey_json_out_bool(o, "terminal", p->terminal);
	if (p->console_height || p->console_width) {
		joey_json_out_object(o, "consoleSize");
		joey_json_out_u64(o, "height", p->console_height);
		joey_json_out_u64(o, "width", p->console_width);
		joey_json_out_end(o);
	}
	text(o, "cwd", p->cwd);
	strings(o, "args", &p->args);
	strings(o, "env", &p->env);
	user(o, &p->user);
	if (p->caps)
		capabilities(o, p->caps);
	if (p->n_rlimits > 0)
		rlimits(o, p);
	joey_json_out_bool(o, "noNewPrivileges", p->no_new_privileges);
	text(o, "apparmorProfile", p->apparmor_profile);
	text(o, "selinuxLabel", p->selinux_label);
	tuning(o, p);
	joey_json_out_end(o);
}
