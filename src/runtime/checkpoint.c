/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint: under the lock.  When the processes were not to go on, the container is removed afterwards, as by delete:
 * engines rely on that.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/runtime-internal.h"

/* CRIU makes images readable by all: nobody else may get at them. */
static int make_directories(const char *path)
{
	char text[PATH_MAX];
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(text))
		return len ? -ENAMETOOLONG : -ENOENT;
	memcpy(text, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (text[i] != '/' && text[i] != '\0')
			continue;
		text[i] = '\0';
		if (mkdirat(AT_FDCWD, text, 0700) < 0 && errno != EEXIST)
			return -errno;
		text[i] = path[i];
	}
	return 0;
}

static int open_directory(const char *path, bool make, const char *what, int *ret_fd, struct joey_err *err)
{
	int r = make ? make_directories(path) : 0;

	if (r < 0)
		return joey_err_sys(err, r, "make %s directory %s", what, path);
	*ret_fd = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret_fd < 0 ? joey_err_sys(err, errno, "open %s directory %s", what, path) : 0;
}

int rt_image_open(const struct joey_image_opts *o, bool make, struct joey_image *ret, struct joey_err *err)
{
	const char *image_path = o->image_path ? o->image_path : "checkpoint";
	int r;

	*ret = o->image;
	ret->image_fd = ret->work_fd = -EBADF;
	ret->work_path = o->work_path ? o->work_path : image_path;
	if (o->empty_ns && !joey_streq(o->empty_ns, "network"))
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "namespace \"%s\" is not supported", o->empty_ns);
	ret->empty_net_ns = o->empty_ns != NULL;
	r = open_directory(image_path, make, "image", &ret->image_fd, err);
	/* logs, so it is made for a restore too */
	return r < 0 ? r : open_directory(ret->work_path, true, "work", &ret->work_fd, err);
}

void rt_image_done(struct joey_image *image)
{
	image->image_fd = joey_close(image->image_fd);
	image->work_fd = joey_close(image->work_fd);
}

/* ---- options ---------------------------------------------------------------------------------------------------- */

static int check_parent(const struct joey_checkpoint_opts *o, const struct joey_image *image, struct joey_err *err)
{
	struct stat st;

	if (!o->parent_path)
		return 0;
	if (o->parent_path[0] == '/')
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "--parent-path must be relative to --image-path");
	if (fstatat(image->image_fd, o->parent_path, &st, 0) < 0)
		return joey_err_sys(err, errno, "invalid --parent-path %s", o->parent_path);
	if (!S_ISDIR(st.st_mode))
		return joey_err_sys(err, ENOTDIR, "invalid --parent-path %s", o->parent_path);
	return 0;
}

/* "address:port", "[v6]:port"; address is heap. */
static int split_server(const char *text, char **ret_address, uint16_t *ret_port, struct joey_err *err)
{
	const char *colon = strrchr(text, ':');
	const char *from = text;
	size_t len = colon ? (size_t)(colon - text) : 0;
	uint32_t port;

	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		from++;
		len -= 2;
	}
	if (!colon || len == 0 || joey_parse_u32(colon + 1, &port) < 0 || port == 0 || port > UINT16_MAX)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "use --page-server ADDRESS:PORT to name a page server");
	*ret_address = strndup(from, len);
	if (!*ret_address)
		return joey_err_sys(err, ENOMEM, "page server");
	*ret_port = (uint16_t)port;
	return 0;
}

/* The descriptor is closed by the backend, or at the end of joey. */
static int take_status_fd(const char *text, int *ret, struct joey_err *err)
{
	uint32_t n;
	int flags;

	if (!text)
		return 0;
	if (joey_parse_u32(text, &n) < 0 || n > INT_MAX)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "invalid --status-fd argument %s", text);
	flags = fcntl((int)n, F_GETFL);
	if (flags < 0)
		return joey_err_sys(err, errno, "invalid --status-fd argument %s", text);
	if ((flags & O_ACCMODE) == O_RDONLY)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "invalid --status-fd argument %s: not writable", text);
	(void)fcntl((int)n, F_SETFD, FD_CLOEXEC);
	*ret = (int)n;
	return 0;
}

/* ---- the verb --------------------------------------------------------------------------------------------------- */

static int find(struct rt_target *t, const struct joey_runtime *rt, const char *id, struct joey_err *err)
{
	struct joey_query q;
	int r = rt_target_find(t, rt, id, err);

	if (r == 0)
		r = joey_container_lock(t->c, RT_LOCK_MS, err);
	if (r == 0)
		r = rt_target_load(t, false, err);
	if (r == 0)
		r = rt_status(t, &q, err);
	if (r == 0)
		r = joey_op_check(JOEY_OP_CHECKPOINT, q.status, id, err);
	return r == 0 && !t->be->checkpoint ? rt_unsupported(t, "checkpoint", err) : r;
}

static int checkpoint(struct rt_target *t, const struct joey_checkpoint_opts *o, const struct joey_image *image,
		      int status_fd, struct joey_err *err)
{
	struct joey_checkpoint args = {
		.image = image,
		.parent = o->parent_path,
		.pre_dump = o->pre_dump,
		.leave_running = o->leave_running,
		.status_fd = status_fd,
	};
	autofree char *address = NULL;
	int r = check_parent(o, image, err);

	if (r == 0 && o->page_server)
		r = split_server(o->page_server, &address, &args.page_server_port, err);
	if (r == 0)
		r = joey_container_config(t->c, &args.config, err);
	if (r < 0)
		return r;
	args.page_server = address;
	r = t->be->checkpoint(t->c, &args, err);
	return r == 0 && !o->leave_running && !o->pre_dump ? rt_remove(t, err) : r;
}

int joey_rt_checkpoint(const struct joey_runtime *rt, const struct joey_checkpoint_opts *o, struct joey_err *err)
{
	autotarget struct rt_target t = RT_TARGET_INIT;
	struct joey_image image = { .image_fd = -EBADF, .work_fd = -EBADF };
	int status_fd = -EBADF, r;

	/* First, while every descriptor is still the caller's. */
	r = take_status_fd(o->status_fd, &status_fd, err);
	if (r == 0)
		r = find(&t, rt, o->id, err);
	if (r == 0)
		r = rt_image_open(&o->i, true, &image, err);
	if (r == 0)
		r = checkpoint(&t, o, &image, status_fd, err);
	rt_image_done(&image);
	return r;
}
