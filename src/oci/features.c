/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The document of `joey features` (spec features.md).  Lists come from the parsers' own tables.  Works without
 * privilege; the kernel is asked one thing, which seccomp flags it takes.
 */
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/syscall.h>

#include "config.h"
#include "oci/oci-internal.h"

#ifdef HAVE_SYSTEMD
#define HAVE_SYSTEMD_DRIVER true
#else
#define HAVE_SYSTEMD_DRIVER false
#endif
#define OCI_VERSION_MIN "1.0.0"

/* Annotations that change what joey does; a trailing '.' stands for a prefix. */
static const char *const unsafe_annotations[] = {
	"bundle", "io.joey.profile", "io.joey.sandbox", "org.criu.config", "org.systemd.property.", "run.oci.", NULL,
};

static void put_strings(struct joey_json_out *o, const char *key, const char *const *list)
{
	joey_json_out_array(o, key);
	for (; *list; list++)
		joey_json_out_string(o, NULL, *list);
	joey_json_out_end(o);
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void put_names(struct joey_json_out *o, const char *key, const struct oci_names *names, bool sorted)
{
	const char *list[64] = { NULL };
	size_t n = names->n < JOEY_ARRAY_SIZE(list) - 1 ? names->n : JOEY_ARRAY_SIZE(list) - 1;

	for (size_t i = 0; i < n; i++)
		list[i] = names->v[i].name;
	if (sorted)
		qsort(list, n, sizeof(list[0]), compare_text);
	put_strings(o, key, list);
}

static void put_enabled(struct joey_json_out *o, const char *key, bool enabled)
{
	joey_json_out_object(o, key);
	joey_json_out_bool(o, "enabled", enabled);
	joey_json_out_end(o);
}

/* Every capability that libcap has a name for, in the order of their numbers, as OCI spells it. */
static void put_capabilities(struct joey_json_out *o)
{
	joey_json_out_array(o, "capabilities");
	for (cap_value_t cap = 0; cap < 64; cap++) {
		char *name = cap_to_name(cap);
		unsigned number;

		for (char *p = name; p && *p; p++)
			if (*p >= 'a' && *p <= 'z')
				*p = (char)(*p - 'a' + 'A');
		/* For an unknown one libcap gives its number. */
		if (name && joey_cap_from_string(name, &number) == 0)
			joey_json_out_string(o, NULL, name);
		cap_free(name);
	}
	joey_json_out_end(o);
}

static void put_cgroup(struct joey_json_out *o)
{
	joey_json_out_object(o, "cgroup");
	joey_json_out_bool(o, "v1", false);
	joey_json_out_bool(o, "v2", true);
	joey_json_out_bool(o, "systemd", HAVE_SYSTEMD_DRIVER);
	joey_json_out_bool(o, "systemdUser", HAVE_SYSTEMD_DRIVER);
	joey_json_out_bool(o, "rdma", true);
	joey_json_out_end(o);
}

/* The kernel checks the flags before it reads the filter: EFAULT for the NULL says that they are fine. */
static bool kernel_takes_seccomp_flag(uint64_t flag)
{
	uint64_t flags = flag;

	/* Only legal together with a listener; TSYNC and a listener need one more to go together. */
	if (flag != SECCOMP_FILTER_FLAG_TSYNC && flag != SECCOMP_FILTER_FLAG_LOG &&
	    flag != SECCOMP_FILTER_FLAG_SPEC_ALLOW)
		flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, (unsigned long)flags, NULL) < 0 && errno == EFAULT;
}

/* OCI's names are libseccomp's in upper case; a library older than the architecture does not know it. */
static bool library_knows_arch(const char *oci_name)
{
	char name[32];
	size_t n = 0;

	for (const char *p = oci_name + strlen("SCMP_ARCH_"); *p && n < sizeof(name) - 1; p++)
		name[n++] = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
	name[n] = '\0';
	return seccomp_arch_resolve_name(name) != 0;
}

static void put_archs(struct joey_json_out *o)
{
	const struct oci_names *names = &oci_names_seccomp_archs; /* in the order of their names */

	joey_json_out_array(o, "archs");
	for (size_t i = 0; i < names->n; i++)
		if (library_knows_arch(names->v[i].name))
			joey_json_out_string(o, NULL, names->v[i].name);
	joey_json_out_end(o);
}

static void put_seccomp(struct joey_json_out *o)
{
	joey_json_out_object(o, "seccomp");
	joey_json_out_bool(o, "enabled", true);
	put_names(o, "actions", &oci_names_seccomp_actions, true);
	put_names(o, "operators", &oci_names_seccomp_operators, true);
	put_archs(o);
	put_names(o, "knownFlags", &oci_names_seccomp_flags, true);
	joey_json_out_array(o, "supportedFlags");
	for (size_t i = 0; i < oci_names_seccomp_flags.n; i++)
		if (kernel_takes_seccomp_flag(oci_names_seccomp_flags.v[i].value))
			joey_json_out_string(o, NULL, oci_names_seccomp_flags.v[i].name);
	joey_json_out_end(o);
	joey_json_out_end(o);
}

static void put_linux(struct joey_json_out *o)
{
	joey_json_out_object(o, "linux");
	put_names(o, "namespaces", &oci_names_namespaces, true);
	put_capabilities(o);
	put_cgroup(o);
	put_seccomp(o);
	put_enabled(o, "apparmor", true);
	put_enabled(o, "selinux", true);
	joey_json_out_object(o, "intelRdt");
	joey_json_out_bool(o, "enabled", true);
	joey_json_out_bool(o, "schemata", true);
	joey_json_out_bool(o, "monitoring", true);
	joey_json_out_end(o);
	joey_json_out_object(o, "memoryPolicy");
	put_names(o, "modes", &oci_names_mpol_modes, false);
	put_names(o, "flags", &oci_names_mpol_flags, false);
	joey_json_out_end(o);
	joey_json_out_object(o, "mountExtensions");
	put_enabled(o, "idmap", true);
	joey_json_out_end(o);
	put_enabled(o, "netDevices", true);
	joey_json_out_end(o);
}

static void say(void *arg, const char *key, const char *value)
{
	joey_json_out_string(arg, key, value);
}

static void put_annotations(struct joey_json_out *o, const char *version, const char *commit,
			    void (*more)(joey_say_fn say, void *arg))
{
	const struct scmp_version *lib = seccomp_version();

	joey_json_out_object(o, "annotations");
	if (lib) {
		char text[40];

		snprintf(text, sizeof(text), "%u.%u.%u", lib->major, lib->minor, lib->micro);
		joey_json_out_string(o, "io.github.seccomp.libseccomp.version", text);
	}
	joey_json_out_string(o, "io.joey.commit", commit);
	if (more)
		more(say, o);
	joey_json_out_string(o, "io.joey.version", version);
	joey_json_out_string(o, "org.opencontainers.runc.checkpoint.enabled", "true");
	joey_json_out_end(o);
}

int joey_features(const char *version, const char *commit, void (*more)(joey_say_fn say, void *arg), char **ret,
		  struct joey_err *err)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(4);

	joey_json_out_object(o, NULL);
	joey_json_out_string(o, "ociVersionMin", OCI_VERSION_MIN);
	joey_json_out_string(o, "ociVersionMax", JOEY_OCI_VERSION);
	put_names(o, "hooks", &oci_names_hooks, false);
	put_strings(o, "mountOptions", joey_mount_opts_names());
	put_linux(o);
	put_annotations(o, version, commit, more);
	put_strings(o, "potentiallyUnsafeConfigAnnotations", unsafe_annotations);
	joey_json_out_end(o);
	return oci_finish_document(o, "the features", ret, err);
}

/* Shared with spec.c: the text with a newline at its end. */
int oci_finish_document(struct joey_json_out *o, const char *what, char **ret, struct joey_err *err)
{
	autofree char *text = NULL;
	char *whole;
	size_t len;
	int r = joey_json_out_finish(o, &text, &len);

	if (r < 0)
		return joey_err_sys(err, -r, "write %s", what);
	whole = realloc(text, len + 2);
	if (!whole)
		return joey_err_sys(err, ENOMEM, "write %s", what);
	text = NULL;
	whole[len] = '\n';
	whole[len + 1] = '\0';
	*ret = whole;
	return 0;
}
