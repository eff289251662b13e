/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_OCI_INTERNAL_H
#define JOEY_OCI_INTERNAL_H

/*
 * The decoder of src/oci: a JSON object is described by a table of struct oci_field; oci_object() walks the object's
 * keys once, ignores unknown ones and nulls, checks the JSON type and calls the row's parser with the address of
 * the field.  struct oci_ctx knows where in the document the walk stands, for error texts such as
 * `config.json: linux.namespaces[2].type: namespace "foo" does not exist`.
 */

#include "joey/json.h"
#include "joey/mount_opts.h"
#include "joey/oci.h"

struct oci_frame {
	const struct oci_frame *up;
	const char *key; /* NULL: an array element */
	size_t index;
};

struct oci_ctx {
	const char *document; /* "config.json" */
	struct joey_arena *arena;
	struct joey_err *err;
	const struct oci_frame *at;
};

typedef int (*oci_parser)(struct oci_ctx *c, const struct joey_json *v, void *field);

struct oci_field {
	const char *key;
	enum joey_json_type type;
	size_t offset; /* of the field in the struct that oci_object() fills */
	oci_parser parse;
};

/* ---- decode.c ------------------------------------------------------------------------------------------- */

/* Error at the present place, or at a key (may itself be a path) below it.  Always -EINVAL. */
int oci_fail(struct oci_ctx *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int oci_fail_at(struct oci_ctx *c, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int oci_nomem(struct oci_ctx *c);

/* v must be an object. */
int oci_object(struct oci_ctx *c, const struct joey_json *v, const struct oci_field *fields, size_t n, void *base);
#define OCI_OBJECT(c, v, table, base) oci_object(c, v, table, JOEY_ARRAY_SIZE(table), base)

/* Calls parse for each element of the array v, on consecutive elements of size bytes in a new array of the arena. */
int oci_array(struct oci_ctx *c, const struct joey_json *v, enum joey_json_type type, size_t size, oci_parser parse,
	      void *ret_array, size_t *ret_n);
/* The same for the members of an object; parse gets each member's value, and its key as c->at->key. */
int oci_members(struct oci_ctx *c, const struct joey_json *v, enum joey_json_type type, size_t size, oci_parser parse,
		void *ret_array, size_t *ret_n);

/* Is key there and not null? */
bool oci_has(const struct joey_json *v, const char *key);
/* -EINVAL with "must be given" at key unless it is. */
int oci_require(struct oci_ctx *c, const struct joey_json *v, const char *key);

/* Field parsers; the comment tells the field's type. */
int oci_bool(struct oci_ctx *c, const struct joey_json *v, void *field);       /* bool */
int oci_opt_bool(struct oci_ctx *c, const struct joey_json *v, void *field);   /* struct joey_opt_bool */
int oci_string(struct oci_ctx *c, const struct joey_json *v, void *field);     /* char *; "" gives NULL */
int oci_any_string(struct oci_ctx *c, const struct joey_json *v, void *field); /* char *; "" stays "" */
int oci_abs_path(struct oci_ctx *c, const struct joey_json *v, void *field);   /* char *, begins with '/'; "": NULL */
int oci_line(struct oci_ctx *c, const struct joey_json *v, void *field);       /* char *, no control chars; "": NULL */
int oci_strings(struct oci_ctx *c, const struct joey_json *v, void *field);    /* struct joey_strlist */
int oci_abs_paths(struct oci_ctx *c, const struct joey_json *v, void *field);  /* struct joey_strlist */
int oci_pairs(struct oci_ctx *c, const struct joey_json *v, void *field);      /* struct joey_pairs */
int oci_u32(struct oci_ctx *c, const struct joey_json *v, void *field);        /* uint32_t */
int oci_i32(struct oci_ctx *c, const struct joey_json *v, void *field);        /* int32_t */
int oci_u64(struct oci_ctx *c, const struct joey_json *v, void *field);        /* uint64_t */
int oci_opt_u32(struct oci_ctx *c, const struct joey_json *v, void *field);    /* struct joey_opt_u32 */
int oci_opt_u64(struct oci_ctx *c, const struct joey_json *v, void *field);    /* struct joey_opt_u64 */
int oci_opt_i64(struct oci_ctx *c, const struct joey_json *v, void *field);    /* struct joey_opt_i64 */
int oci_id(struct oci_ctx *c, const struct joey_json *v, void *field);         /* uint32_t, not (uint32_t)-1 */

/* ---- names.c: enum tables, both directions ------------------------------------------------------------------ */

struct oci_name {
	const char *name;
	uint64_t value;
};

struct oci_names {
	const struct oci_name *v;
	size_t n;
};

extern const struct oci_names oci_names_namespaces;     /* enum joey_ns */
extern const struct oci_names oci_names_rlimits;        /* RLIMIT_* */
extern const struct oci_names oci_names_sched_policies; /* SCHED_* */
extern const struct oci_names oci_names_sched_flags;    /* SCHED_FLAG_* */
extern const struct oci_names oci_names_io_classes;     /* IOPRIO_CLASS_* */
extern const struct oci_names oci_names_propagations;   /* MS_* | MS_REC */
extern const struct oci_names oci_names_mpol_modes;     /* MPOL_* */
extern const struct oci_names oci_names_mpol_flags;     /* MPOL_F_* */
extern const struct oci_names oci_names_personalities;  /* PER_* */
extern const struct oci_names oci_names_seccomp_actions;
extern const struct oci_names oci_names_seccomp_operators;
extern const struct oci_names oci_names_seccomp_archs;
extern const struct oci_names oci_names_seccomp_flags;
extern const struct oci_names oci_names_hooks; /* enum joey_hook_kind */
extern const struct oci_names oci_names_image_formats;

/* NULL terminates; for the round-trip test. */
extern const struct oci_names *const oci_names_all[];

bool oci_name_lookup(const struct oci_names *names, const char *name, uint64_t *ret);
const char *oci_name_of(const struct oci_names *names, uint64_t value); /* the first with that value, or NULL */

/* ---- one function per subject ----------------------------------------------------------------------------------- */

int oci_process(struct oci_ctx *c, const struct joey_json *v, void *field);       /* struct joey_process * */
int oci_scheduler(struct oci_ctx *c, const struct joey_json *v, void *field);     /* struct joey_scheduler * */
int oci_io_priority(struct oci_ctx *c, const struct joey_json *v, void *field);   /* struct joey_io_priority * */
int oci_env(struct oci_ctx *c, const struct joey_json *v, void *field);           /* struct joey_strlist */
int oci_mount(struct oci_ctx *c, const struct joey_json *v, void *element);       /* struct joey_mount */
int oci_idmaps(struct oci_ctx *c, const struct joey_json *v, void *field);        /* struct joey_idmaps */
int oci_hooks(struct oci_ctx *c, const struct joey_json *v, void *field);         /* struct joey_hooks[JOEY_HOOK_MAX] */
int oci_linux(struct oci_ctx *c, const struct joey_json *v, void *field);         /* struct joey_config */
int oci_sysctl(struct oci_ctx *c, const struct joey_json *v, void *field);        /* struct joey_pairs */
int oci_devices(struct oci_ctx *c, const struct joey_json *v, void *field);       /* struct joey_config, its devices */
int oci_net_devices(struct oci_ctx *c, const struct joey_json *v, void *field);   /* struct joey_config */
int oci_resources(struct oci_ctx *c, const struct joey_json *v, void *field);     /* struct joey_resources * */
int oci_block_io(struct oci_ctx *c, const struct joey_json *v, void *field);      /* struct joey_resources */
int oci_device_rules(struct oci_ctx *c, const struct joey_json *v, void *field);  /* struct joey_resources */
int oci_seccomp(struct oci_ctx *c, const struct joey_json *v, void *field);       /* struct joey_seccomp * */
int oci_intel_rdt(struct oci_ctx *c, const struct joey_json *v, void *field);     /* struct joey_intel_rdt * */
int oci_memory_policy(struct oci_ctx *c, const struct joey_json *v, void *field); /* struct joey_memory_policy * */
int oci_vm(struct oci_ctx *c, const struct joey_json *v, void *field);            /* struct joey_vm * */

/* Device numbers of the kernel: 12 and 20 bits. */
int oci_dev_major(struct oci_ctx *c, const struct joey_json *v, void *field); /* uint32_t */
int oci_dev_minor(struct oci_ctx *c, const struct joey_json *v, void *field); /* uint32_t */

/* Rules that need more than one object. */
int oci_validate(struct oci_ctx *c, struct joey_config *config);

/* Takes the text out of o, with a newline at its end (features.c). */
int oci_finish_document(struct joey_json_out *o, const char *what, char **ret, struct joey_err *err);

/* "0-3,8": numbers below 65536, ranges ascending. */
bool oci_is_list(const char *text);

/* A word that may stand in a kernel file: printable ASCII without white space. */
bool oci_is_word(const char *text);

/*
 * `uids=A-B-N#A-B-N;gids=...` of the idmap mount option; a part may begin with '@' (host ids are then ids of the
 * container's user namespace).  Maps are allocated in arena (NULL: syntax check only).
 */
struct oci_idmap_text {
	struct joey_idmaps uids, gids;
	bool uids_relative, gids_relative;
};
int mount_opts_parse_idmap(struct joey_arena *arena, const char *text, struct oci_idmap_text *ret);

#endif
