/* SPDX-License-Identifier: Apache-2.0 */
/* src/native/sync.c: what is legal when, and what a broken or hostile peer gets. */
#include "unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "native/sync.h"

struct ends {
	struct sync parent, child;
};

static int make_ends(void **state)
{
	static struct ends e;
	int fds[2];

	assert_int_equal(sync_pair(fds, NULL), 0);
	e.parent = (struct sync){ .fd = fds[0], .sigfd = -EBADF };
	e.child = (struct sync){ .fd = fds[1], .sigfd = -EBADF, .child = true };
	*state = &e;
	return 0;
}

static int close_ends(void **state)
{
	struct ends *e = *state;

	joey_close(e->parent.fd);
	joey_close(e->child.fd);
	return 0;
}

static void whole_conversation(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct ends *e = *state;
	struct sync_frame f;

	assert_int_equal(sync_send(&e->child, SYNC_NEED_MAPS, 0, NULL, -1, &err), 0);
	assert_int_equal(sync_expect(&e->parent, SYNC_NEED_MAPS, &f, &err), 0);
	assert_int_equal(sync_send(&e->parent, SYNC_MAPPED, 0, NULL, -1, &err), 0);
	assert_int_equal(sync_expect(&e->child, SYNC_MAPPED, &f, &err), 0);
	assert_int_equal(sync_send(&e->child, SYNC_SOURCE, 3, NULL, -1, &err), 0);
	assert_int_equal(sync_expect(&e->parent, SYNC_SOURCE, &f, &err), 0);
	assert_int_equal(f.arg, 3);
	assert_int_equal(sync_send(&e->parent, SYNC_SOURCE_FD, 0, NULL, 0, &err), 0);
	assert_int_equal(sync_expect(&e->child, SYNC_SOURCE_FD, &f, &err), 0);
	assert_true(f.fd > 2);
	close(f.fd);
	assert_int_equal(sync_send(&e->child, SYNC_READY, 0, NULL, -1, &err), 0);
	assert_int_equal(sync_expect(&e->parent, SYNC_READY, &f, &err), 0);
	assert_int_equal(sync_send(&e->parent, SYNC_GO, 0, NULL, -1, &err), 0);
	assert_int_equal(sync_expect(&e->child, SYNC_GO, &f, &err), 0);
	assert_int_equal(sync_send(&e->child, SYNC_DONE, 0, NULL, -1, &err), 0);
	assert_int_equal(sync_expect(&e->parent, SYNC_DONE, &f, &err), 0);
	assert_int_equal(e->parent.phase, SYNC_P_END);
}

static void raw(struct ends *e, uint32_t type, size_t len, const int *fds, size_t n_fds)
{
	struct sync_frame f;

	memset(&f, 'x', sizeof(f));
	f.type = type;
	assert_true(joey_send_fds(e->child.fd, &f, len, fds, n_fds) >= 0);
}

/* Each is refused, and no descriptor that came along stays open. */
static void illegal_frames_are_refused(void **state)
{
	static const struct {
		uint32_t type;
		size_t len;
		size_t n_fds;
	} rows[] = {
		{ SYNC_GO, 16, 0 },                         /* a parent's message */
		{ SYNC_DONE, 16, 0 },                       /* too early */
		{ SYNC_LISTENER, 16, 1 },                   /* too early */
		{ SYNC_SOURCE, 16, 1 },                     /* a descriptor where none belongs */
		{ 0, 16, 0 },                               /* no such type */
		{ SYNC_MAX, 16, 0 },                        /* no such type */
		{ 0xffffffff, 16, 0 },                      /* no such type */
		{ SYNC_SOURCE, 15, 0 },                     /* short header */
		{ SYNC_SOURCE, 1, 0 },                      /* short header */
		{ SYNC_LOG, sizeof(struct sync_frame), 0 }, /* longer than a frame */
	};
	struct ends *e = *state;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), probe;

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		autoerr struct joey_err err = JOEY_ERR_INIT;
		struct sync_frame f;

		raw(e, rows[i].type, rows[i].len, &null, rows[i].n_fds);
		assert_true(sync_recv(&e->parent, &f, &err) < 0);
		assert_int_equal(e->parent.phase, SYNC_P_START);
	}
	probe = dup(null);
	assert_int_equal(probe, null + 1); /* the lowest free number: nothing leaked below it */
	close(probe);
	close(null);
}

static void failure_of_the_peer_becomes_the_error(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT, said = JOEY_ERR_INIT;
	struct ends *e = *state;
	struct sync_frame f;

	joey_err_set(&said, JOEY_EK_CONFIG, ENOTDIR, "mount: not a directory");
	sync_send_failed(&e->child, &said);
	assert_int_equal(sync_recv(&e->parent, &f, &err), -ENOTDIR);
	assert_string_equal(joey_err_text(&err), "mount: not a directory");
	assert_int_equal(err.kind, JOEY_EK_CONFIG);
}

static void last_words_are_found_after_death(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT, said = JOEY_ERR_INIT;
	struct ends *e = *state;

	joey_err_set(&said, JOEY_EK_OTHER, EPERM, "last words");
	assert_int_equal(sync_send(&e->child, SYNC_LOG, 1, "noise", -1, &err), 0);
	sync_send_failed(&e->child, &said);
	e->child.fd = joey_close(e->child.fd);
	joey_err_sys(&err, EPIPE, "send");
	sync_take_failed(&e->parent, &err);
	assert_string_equal(joey_err_text(&err), "last words");
}

static void end_of_file_is_an_error_where_a_frame_is_due(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct ends *e = *state;
	struct sync_frame f;

	e->child.fd = joey_close(e->child.fd);
	assert_int_equal(sync_expect(&e->parent, SYNC_READY, &f, &err), -EPIPE);
	assert_int_equal(sync_recv(&e->parent, &f, &err), 0);
}

static void overlong_text_is_cut(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT, said = JOEY_ERR_INIT;
	static char text[3 * SYNC_TEXT_MAX];
	struct ends *e = *state;
	struct sync_frame f;

	memset(text, 'a', sizeof(text) - 1);
	joey_err_set(&said, JOEY_EK_OTHER, EIO, "%s", text);
	sync_send_failed(&e->child, &said);
	assert_int_equal(sync_recv(&e->parent, &f, &err), -EIO);
	assert_int_equal(strlen(joey_err_text(&err)), SYNC_TEXT_MAX - 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make_ends, close_ends)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(whole_conversation),
		T(illegal_frames_are_refused),
		T(failure_of_the_peer_becomes_the_error),
		T(last_words_are_found_after_death),
		T(end_of_file_is_an_error_where_a_frame_is_due),
		T(overlong_text_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
