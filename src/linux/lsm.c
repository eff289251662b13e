/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AppArmor profile and SELinux label of the program to come (Documentation/admin-guide/LSM): written to this thread's
 * attr files through the private procfs only.  A label that cannot be set is an error, never a warning.
 */
#include <fcntl.h>
#include <string.h>

#include "linux/linux-internal.h"

enum { LABEL_MAX = 4096 };

bool wants_apparmor(const struct joey_setup *s)
{
	return s->process->apparmor_profile && s->process->apparmor_profile[0];
}

bool wants_selinux(const struct joey_setup *s)
{
	return s->process->selinux_label && s->process->selinux_label[0];
}

/* One write(2): the kernel takes each as a whole label. */
static int write_attr(struct joey_setup *s, const char *name, const char *data)
{
	autoclose int fd = procfs_open_self(s, name, O_WRONLY);
	size_t len = strlen(data);
	ssize_t n;

	if (fd < 0)
		return fd;
	do
		n = write(fd, data, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/* -EINVAL where no module answers for the file. */
static int read_attr(struct joey_setup *s, const char *name, char *buf, size_t size)
{
	autoclose int fd = procfs_open_self(s, name, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return 0;
}

int step_apparmor(struct joey_setup *s, struct joey_err *err)
{
	const char *profile = s->process->apparmor_profile;
	const char *name = "attr/apparmor/exec";
	autostr struct joey_str text = JOEY_STR_INIT;
	char now[LABEL_MAX];
	int r = joey_setup_procfs(s, err);

	if (r < 0)
		return r;
	joey_str_printf(&text, "exec %s", profile);
	if (text.failed)
		return joey_err_sys(err, ENOMEM, "apparmor profile");
	r = write_attr(s, name, text.buf);
	if (r == -ENOENT && read_attr(s, "attr/apparmor/current", now, sizeof(now)) == -ENOENT) {
		/* before Linux 5.8 AppArmor used the files that all modules share */
		name = "attr/exec";
		r = write_attr(s, name, text.buf);
	}
	if (r == 0)
		return 0;
	if (read_attr(s, "attr/apparmor/current", now, sizeof(now)) < 0)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP,
				    "apparmor: config provided but apparmor not supported");
	return joey_err_sys(err, r, "apparmor failed to apply profile %s: write `/proc/thread-self/%s`", profile, name);
}

/* A context is user:role:type[:level]; other modules answer attr/current with a single word, or with nothing. */
static bool selinux_is_on(struct joey_setup *s)
{
	char now[LABEL_MAX];
	const char *p = now;
	unsigned colons = 0;

	if (read_attr(s, "attr/current", now, sizeof(now)) < 0)
		return false;
	for (; *p; p++)
		colons += *p == ':';
	return colons >= 2;
}

static int write_label(struct joey_setup *s, const char *name, const char *label, struct joey_err *err)
{
	int r = joey_setup_procfs(s, err);

	if (r < 0)
		return r;
	if (!selinux_is_on(s))
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP,
				    "selinux label is specified in config, but selinux is disabled or not supported");
	r = write_attr(s, name, label);
	if (r < 0)
		return joey_err_sys(err, r, "write `/proc/thread-self/%s`", name);
	return 0;
}

int step_selinux(struct joey_setup *s, struct joey_err *err)
{
	return write_label(s, "attr/exec", s->process->selinux_label, err);
}

int lsm_set_keycreate(struct joey_setup *s, const char *label, struct joey_err *err)
{
	/* an empty write(2) never reaches the module; a NUL resets (proc_pid_attr(5)) */
	return write_label(s, "attr/keycreate", label[0] ? label : "\n", err);
}
