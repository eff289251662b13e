/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_CONF_H
#define JOEY_CONF_H

/*
 * The administrator's settings: joey.conf(5).  A plain structure; a new key is a member here, a row in src/conf/keys.c
 * and a paragraph in man/joey.conf.5.  Texts and lists belong to the arena.  NULL and 0 mean "not set" where no other
 * default is named.
 */

#include "joey/err.h"
#include "joey/util.h"

/* Which ways of asking for a sandboxed container are heard. */
enum joey_conf_allow {
	JOEY_CONF_ALLOW_OPTION = 1 << 0,     /* --sandbox */
	JOEY_CONF_ALLOW_PROGRAM = 1 << 1,    /* called as joey-vm */
	JOEY_CONF_ALLOW_ANNOTATION = 1 << 2, /* io.joey.* */
	JOEY_CONF_ALLOW_CONFIG = 1 << 3,     /* the OCI vm object */
};

enum joey_conf_isolation { JOEY_CONF_NORMAL, JOEY_CONF_VM };
enum joey_conf_without_kvm { JOEY_CONF_KVM_COMPAT, JOEY_CONF_KVM_REFUSE, JOEY_CONF_KVM_NORMAL };
enum joey_conf_trust { JOEY_CONF_TRUST_SHARED, JOEY_CONF_TRUST_CONTAINER };
enum joey_conf_fork { JOEY_CONF_FORK_ON, JOEY_CONF_FORK_OFF };
enum joey_conf_share { JOEY_CONF_SHARE_UNSET, JOEY_CONF_SHARE_9P, JOEY_CONF_SHARE_BLOCK };
enum joey_conf_network { JOEY_CONF_NETWORK_UNSET, JOEY_CONF_NETWORK_NONE, JOEY_CONF_NETWORK_TAP };
enum joey_conf_network_devices {
	JOEY_CONF_NETWORK_DEVICES_UNSET,
	JOEY_CONF_NETWORK_DEVICES_1,
	JOEY_CONF_NETWORK_DEVICES_4
};
enum joey_conf_log_level { JOEY_CONF_LOG_UNSET, JOEY_CONF_LOG_WARNING, JOEY_CONF_LOG_DEBUG };

struct joey_conf_profile { /* [profile NAME] */
	const char *name;
	uint64_t memory; /* bytes */
	uint32_t vcpus;
	const char *kernel, *initramfs, *hypervisor; /* absolute */
	int share;                                   /* enum joey_conf_share */
	int network;                                 /* enum joey_conf_network */
	int network_devices;                         /* enum joey_conf_network_devices */
};

struct joey_conf {
	struct joey_arena arena;
	const char *file; /* what was read; NULL: there is none */
	struct {          /* [runtime]: global options that the command line does not give */
		const char *root, *cgroup_manager, *log, *log_format, *rootless;
		int log_level; /* enum joey_conf_log_level */
	} runtime;
	struct {                 /* [sandbox] */
		unsigned allow;  /* JOEY_CONF_ALLOW_* */
		int isolation;   /* "default": enum joey_conf_isolation */
		int without_kvm; /* enum joey_conf_without_kvm */
		int trust;       /* "template_trust": enum joey_conf_trust */
		const char *profile;
		struct joey_strlist profiles_allowed; /* names; "*" alone: all */
		struct joey_strlist kernel_dirs, hypervisor_dirs, image_dirs;
		uint32_t max_vcpus;
		uint64_t max_memory; /* bytes */
		int fork;            /* enum joey_conf_fork */
	} sandbox;
	struct joey_conf_profile *profiles;
	size_t n_profiles;
};

/* The defaults.  Nothing to free. */
#define JOEY_CONF_INIT                                                                                                \
	{                                                                                                             \
		.sandbox = { .allow = JOEY_CONF_ALLOW_OPTION | JOEY_CONF_ALLOW_PROGRAM | JOEY_CONF_ALLOW_ANNOTATION | \
				      JOEY_CONF_ALLOW_CONFIG },                                                       \
	}

/*
 * conf starts as JOEY_CONF_INIT; after an error it may only be given to joey_conf_done().
 * file NULL: the system's file (sysconfdir), which need not be there.  in_userns: joey is in a user namespace, where
 * the host's root may have no number.
 */
int joey_conf_read(struct joey_conf *conf, const char *file, bool in_userns, struct joey_err *err);
/* file: what errors call it.  text[len] is NUL; it is cut to pieces. */
int joey_conf_parse(struct joey_conf *conf, const char *file, char *text, size_t len, struct joey_err *err);
/* NULL: there is no such profile. */
const struct joey_conf_profile *joey_conf_profile(const struct joey_conf *conf, const char *name);
/* May an annotation select this profile?  The default one it may always name. */
bool joey_conf_profile_allowed(const struct joey_conf *conf, const char *name);
/* Is path, absolute and without "." and "..", below one of the directories?  Looks at the text only. */
bool joey_conf_dir_allowed(const struct joey_strlist *dirs, const char *path);
void joey_conf_done(struct joey_conf *conf);

#endif
