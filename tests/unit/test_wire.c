/* SPDX-License-Identifier: Apache-2.0 */
/* src/wire: frames.  Every rule of the header, torn and hostile streams, bounds. */
#include "unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "joey/wire.h"

static void pair(int s[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s), 0);
}

static void header(uint8_t h[12], uint32_t len, unsigned type, unsigned stream, uint32_t id)
{
	for (int i = 0; i < 4; i++) {
		h[i] = (uint8_t)(len >> (8 * i));
		h[8 + i] = (uint8_t)(id >> (8 * i));
	}
	h[4] = (uint8_t)type;
	h[5] = (uint8_t)(type >> 8);
	h[6] = (uint8_t)stream;
	h[7] = (uint8_t)(stream >> 8);
}

static void layout_is_little_endian(void **state)
{
	static const uint8_t want[] = { 5, 0, 0, 0, 96, 0, 2, 0, 0x44, 0x33, 0x22, 0x11, 'h', 'e', 'l', 'l', 'o' };
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(1000);

	(void)state;
	assert_int_equal(joey_wire_put(&out, JOEY_WIRE_DATA, 2, 0x11223344, "hello", 5), 0);
	assert_int_equal(out.to - out.from, sizeof(want));
	assert_memory_equal(out.buf, want, sizeof(want));
	joey_wire_out_done(&out);
}

static void every_rule_of_a_header(void **state)
{
	static const struct {
		unsigned type, stream;
		uint32_t len;
		int result; /* of the header with as many zero bytes behind it */
	} rows[] = {
		{ 0, 0, 0, -EPROTO },
		{ JOEY_WIRE_HELLO, 0, 2, 1 },
		{ JOEY_WIRE_HELLO, 1, 2, -EPROTO },
		{ JOEY_WIRE_CONSOLE, 0, 0, 1 },
		{ JOEY_WIRE_CONSOLE, 0, 65536, 1 },
		{ JOEY_WIRE_CONSOLE, 0, 65537, -EPROTO },
		{ JOEY_WIRE_CONSOLE, 0, UINT32_MAX, -EPROTO },
		{ JOEY_WIRE_REQUEST_END, 0, 0, -EPROTO },
		{ JOEY_WIRE_BLOB, 0, 0, -EPROTO },
		{ JOEY_WIRE_BLOB, 0, 65536, 1 },
		{ JOEY_WIRE_BLOB, 0, 65537, -EPROTO },
		{ JOEY_WIRE_REPLY, 0, 7, -EPROTO },
		{ JOEY_WIRE_REPLY, 0, 8, 1 },
		{ JOEY_WIRE_REPLY + 1, 0, 8, -EPROTO },
		{ JOEY_WIRE_DATA, 0, 0, -EPROTO },
		{ JOEY_WIRE_DATA, 2, 32768, 1 },
		{ JOEY_WIRE_DATA, 3, 1, -EPROTO },
		{ JOEY_WIRE_DATA, 65535, 1, -EPROTO },
		{ JOEY_WIRE_DATA, 0, 32769, -EPROTO },
		{ JOEY_WIRE_EOF, 0, 0, 1 },
		{ JOEY_WIRE_EOF, 0, 1, -EPROTO },
		{ JOEY_WIRE_CREDIT, 1, 4, 1 },
		{ JOEY_WIRE_CREDIT, 1, 3, -EPROTO },
		{ JOEY_WIRE_CREDIT, 1, 5, -EPROTO },
		{ JOEY_WIRE_CREDIT + 1, 0, 4, -EPROTO },
		{ JOEY_WIRE_SIGNAL, 0, 4, 1 },
		{ JOEY_WIRE_SIGNAL, 0, 8, -EPROTO },
		{ JOEY_WIRE_RESIZE, 0, 4, 1 },
		{ JOEY_WIRE_EXIT, 0, 4, 1 },
		{ JOEY_WIRE_EXIT, 0, 0, -EPROTO },
		{ JOEY_WIRE_EVENT, 0, 4, 1 },
		{ JOEY_WIRE_LOG, 0, 0, 1 },
		{ JOEY_WIRE_CLOCK, 0, 0, 1 },
		{ JOEY_WIRE_CLOCK, 0, 8, 1 },
		{ JOEY_WIRE_CLOCK, 0, 9, -EPROTO },
		{ JOEY_WIRE_CLOCK + 1, 0, 0, -EPROTO },
		{ 0xffff, 0, 0, -EPROTO },
	};
	static uint8_t bytes[12 + 65537];

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		struct joey_frame f = { 0 };
		size_t used = 77;

		header(bytes, rows[i].len, rows[i].type, rows[i].stream, 9);
		assert_int_equal(joey_wire_parse(bytes, sizeof(bytes), &f, &used), rows[i].result);
		assert_int_equal(used, rows[i].result == 1 ? 12 + rows[i].len : 77);
		if (rows[i].result == 1) {
			assert_int_equal(f.type, rows[i].type);
			assert_int_equal(f.stream, rows[i].stream);
			assert_int_equal(f.id, 9);
			assert_int_equal(f.len, rows[i].len);
			assert_ptr_equal(f.data, bytes + 12);
			if (rows[i].len > 0)
				assert_int_equal(joey_wire_parse(bytes, 12 + rows[i].len - 1, &f, &used), 0);
		}
		/* a bad header is refused before its payload is there */
		if (rows[i].result < 0)
			assert_int_equal(joey_wire_parse(bytes, 12, &f, &used), -EPROTO);
		assert_int_equal(joey_wire_parse(bytes, 11, &f, &used), 0);
	}
}

static void what_would_be_refused_is_not_put(void **state)
{
	static uint8_t big[65537];
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(1 << 20);

	(void)state;
	assert_int_equal(joey_wire_put(&out, JOEY_WIRE_DATA, 0, 1, big, 32769), -EINVAL);
	assert_int_equal(joey_wire_put(&out, JOEY_WIRE_DATA, 0, 1, big, 0), -EINVAL);
	assert_int_equal(joey_wire_put(&out, JOEY_WIRE_DATA, 3, 1, big, 1), -EINVAL);
	assert_int_equal(joey_wire_put(&out, JOEY_WIRE_KILL, 0, 1, big, 65537), -EINVAL);
	assert_int_equal(joey_wire_put(&out, JOEY_WIRE_KILL, 0, 1, big, (size_t)1 << 32), -EINVAL);
	assert_int_equal(joey_wire_put(&out, 65536 + JOEY_WIRE_KILL, 0, 1, big, 1), -EINVAL);
	assert_int_equal(joey_wire_put(&out, 99, 0, 1, big, 1), -EINVAL);
	assert_false(joey_wire_waits(&out));
	joey_wire_out_done(&out);
}

static void one_byte_at_a_time(void **state)
{
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(1 << 20);
	struct joey_wire_in in = JOEY_WIRE_IN_INIT;
	static uint8_t data[30000];
	struct joey_frame f;
	int s[2], got = 0;

	(void)state;
	pair(s);
	memset(data, 'x', sizeof(data));
	assert_int_equal(joey_wire_put(&out, JOEY_WIRE_DATA, 1, 7, data, sizeof(data)), 0);
	assert_int_equal(joey_wire_put(&out, JOEY_WIRE_EOF, 1, 7, NULL, 0), 0);
	assert_int_equal(joey_wire_put_u32(&out, JOEY_WIRE_EXIT, 0, 7, 0x100), 0);
	assert_int_equal(joey_wire_read(&in, s[1]), -EAGAIN);
	for (size_t i = out.from; i < out.to; i++) {
		assert_int_equal(write(s[0], out.buf + i, 1), 1);
		assert_int_equal(joey_wire_read(&in, s[1]), 0);
		while (joey_wire_next(&in, &f) == 1)
			got = got * 1000 + f.type;
	}
	assert_int_equal(got, 96 * 1000000 + 97 * 1000 + JOEY_WIRE_EXIT);
	/* a channel at rest keeps little */
	assert_int_equal(joey_wire_read(&in, s[1]), -EAGAIN);
	assert_true(in.cap <= 4096);
	close(s[0]);
	assert_int_equal(joey_wire_read(&in, s[1]), -ENODATA);
	assert_true(in.ended);
	close(s[1]);
	joey_wire_in_done(&in);
	joey_wire_out_done(&out);
}

static void all_that_was_sent_before_the_end_is_read(void **state)
{
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(1 << 20);
	struct joey_wire_in in = JOEY_WIRE_IN_INIT;
	struct joey_frame f;
	int s[2];

	(void)state;
	pair(s);
	assert_int_equal(joey_wire_put_u32(&out, JOEY_WIRE_EXIT, 0, 1, 5), 0);
	assert_int_equal(joey_wire_flush(&out, s[0]), 0);
	assert_int_equal(write(s[0], "half", 4), 4);
	close(s[0]);
	assert_int_equal(joey_wire_read(&in, s[1]), 0);
	assert_int_equal(joey_wire_next(&in, &f), 1);
	assert_int_equal(joey_wire_next(&in, &f), 0);
	assert_int_equal(joey_wire_read(&in, s[1]), -ENODATA);
	close(s[1]);
	joey_wire_in_done(&in);
	joey_wire_out_done(&out);
}

static void reader_takes_no_more_than_it_must(void **state)
{
	struct joey_wire_in in = JOEY_WIRE_IN_INIT;
	static uint8_t flood[300000];
	struct joey_frame f;
	int s[2], size = 1 << 20;
	size_t frames = 0;

	(void)state;
	pair(s);
	(void)setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	for (size_t i = 0; i + 16 <= sizeof(flood); i += 16)
		header(flood + i, 4, JOEY_WIRE_EXIT, 0, (uint32_t)i);
	size = (int)write(s[0], flood, sizeof(flood));
	assert_true(size > 100000);
	/* nobody takes the frames: the buffer stays as it is, the rest stays in the socket */
	for (int i = 0; i < 100; i++)
		assert_int_equal(joey_wire_read(&in, s[1]), 0);
	assert_true(in.cap <= 12 + 65536);
	do
		while (joey_wire_next(&in, &f) == 1)
			assert_int_equal(f.id, frames++ * 16);
	while (joey_wire_read(&in, s[1]) == 0);
	assert_int_equal(frames, size / 16);
	close(s[0]);
	close(s[1]);
	joey_wire_in_done(&in);
}

static void hostile_lengths_do_not_allocate(void **state)
{
	struct joey_wire_in in = JOEY_WIRE_IN_INIT;
	struct joey_frame f;
	uint8_t h[12];
	int s[2];

	(void)state;
	pair(s);
	header(h, 0xfffffff4, JOEY_WIRE_DATA, 0, 0);
	assert_int_equal(write(s[0], h, 12), 12);
	assert_int_equal(joey_wire_read(&in, s[1]), 0);
	assert_int_equal(joey_wire_next(&in, &f), -EPROTO);
	assert_int_equal(joey_wire_next(&in, &f), -EPROTO);
	assert_int_equal(write(s[0], h, 12), 12);
	assert_int_equal(joey_wire_read(&in, s[1]), -EPROTO);
	assert_true(in.cap <= 4096);
	close(s[0]);
	close(s[1]);
	joey_wire_in_done(&in);
}

static void writer_is_bounded_and_whole(void **state)
{
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(100);
	static uint8_t data[64];

	(void)state;
	assert_int_equal(joey_wire_put(&out, JOEY_WIRE_DATA, 0, 1, data, 64), 0);
	assert_int_equal(joey_wire_put(&out, JOEY_WIRE_DATA, 0, 1, data, 13), -ENOBUFS);
	assert_int_equal(joey_wire_put(&out, JOEY_WIRE_DATA, 0, 1, data, 12), 0);
	assert_int_equal(joey_wire_put(&out, JOEY_WIRE_EOF, 0, 1, NULL, 0), -ENOBUFS);
	assert_int_equal(out.to - out.from, 100);
	joey_wire_out_done(&out);

	out.max = 2 * 65536 + 12;
	assert_int_equal(joey_wire_put_blob(&out, 3, data, 0), 0);
	assert_false(joey_wire_waits(&out));
	joey_wire_out_done(&out);
}

static void blobs_are_split_and_all_or_nothing(void **state)
{
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(8 << 20);
	size_t n = 3 * 65536 + 1, at = 0, used, sum = 0, frames = 0;
	uint8_t *data = calloc(1, JOEY_WIRE_BLOB_MAX + 1);
	struct joey_frame f;

	(void)state;
	assert_non_null(data);
	assert_int_equal(joey_wire_put_blob(&out, 3, data, JOEY_WIRE_BLOB_MAX + 1), -EFBIG);
	assert_int_equal(joey_wire_put_blob(&out, 3, data, JOEY_WIRE_BLOB_MAX), 0);
	joey_wire_out_done(&out);
	assert_int_equal(joey_wire_put_blob(&out, 3, data, n), 0);
	while (joey_wire_parse(out.buf + at, out.to - at, &f, &used) == 1) {
		assert_int_equal(f.type, JOEY_WIRE_BLOB);
		assert_int_equal(f.id, 3);
		at += used;
		sum += f.len;
		frames++;
	}
	assert_int_equal(sum, n);
	assert_int_equal(frames, 4);
	joey_wire_out_done(&out);
	out.max = n + 4 * 12 - 1;
	assert_int_equal(joey_wire_put_blob(&out, 3, data, n), -ENOBUFS);
	assert_false(joey_wire_waits(&out));
	joey_wire_out_done(&out);
	free(data);
}

static void flush_waits_for_nobody(void **state)
{
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(4 << 20);
	struct joey_wire_in in = JOEY_WIRE_IN_INIT;
	static uint8_t data[32768];
	struct joey_frame f;
	int s[2], frames = 0, r;

	(void)state;
	pair(s);
	/* without O_NONBLOCK on our side */
	assert_int_equal(fcntl(s[0], F_SETFL, 0), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(joey_wire_put(&out, JOEY_WIRE_DATA, 0, (uint32_t)i, data, sizeof(data)), 0);
	assert_int_equal(joey_wire_flush(&out, s[0]), 1);
	do {
		r = joey_wire_read(&in, s[1]);
		while (joey_wire_next(&in, &f) == 1)
			assert_int_equal(f.id, frames++);
		assert_true(joey_wire_flush(&out, s[0]) >= 0);
	} while (r == 0);
	assert_int_equal(frames, 100);
	assert_false(joey_wire_waits(&out));
	assert_true(out.cap <= 4096);
	close(s[1]);
	assert_int_equal(joey_wire_put(&out, JOEY_WIRE_EOF, 0, 1, NULL, 0), 0);
	assert_int_equal(joey_wire_flush(&out, s[0]), -EPIPE);
	close(s[0]);
	joey_wire_in_done(&in);
	joey_wire_out_done(&out);
}

/* ---- replies ---------------------------------------------------------------------------------------------------- */

static int reply(struct joey_wire_out *out, struct joey_frame *f, const uint8_t **data, size_t *n, struct joey_err *err)
{
	size_t used;

	joey_err_clear(err);
	assert_int_equal(joey_wire_parse(out->buf + out->from, out->to - out->from, f, &used), 1);
	out->from += used;
	return joey_frame_reply(f, data, n, err);
}

static void replies_carry_errors(void **state)
{
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(1 << 20);
	autoerr struct joey_err err = JOEY_ERR_INIT;
	const uint8_t *data;
	struct joey_frame f;
	size_t n;

	(void)state;
	assert_int_equal(joey_wire_put_reply(&out, 5, 0, 0, "result", 6), 0);
	assert_int_equal(reply(&out, &f, &data, &n, &err), 0);
	assert_int_equal(n, 6);
	assert_memory_equal(data, "result", 6);
	assert_int_equal(joey_wire_put_reply(&out, 5, ENOENT, JOEY_EK_NOT_FOUND, "gone: x", 7), 0);
	assert_int_equal(reply(&out, &f, &data, &n, &err), -ENOENT);
	assert_int_equal(err.kind, JOEY_EK_NOT_FOUND);
	assert_string_equal(joey_err_text(&err), "gone: x");
	assert_int_equal(joey_wire_put_reply(&out, 5, -EPERM, 0, "x", 1), 0);
	assert_int_equal(reply(&out, &f, &data, &n, &err), -EPERM);
	joey_wire_out_done(&out);
}

static void a_reply_is_not_believed(void **state)
{
	static const char nasty[] = "\033]0;x\007\n\xc2\x9b"
				    "2J caf\xc3\xa9 \xff\xc0\xaf\xed\xa0\x80 \xf0\x9f\x90\xa8\x7f\xe2\x82";
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(1 << 20);
	autoerr struct joey_err err = JOEY_ERR_INIT;
	static char big[70000];
	const uint8_t *data;
	struct joey_frame f;
	size_t n;

	(void)state;
	assert_int_equal(joey_wire_put_reply(&out, 5, 100000, 4711, nasty, sizeof(nasty)), 0);
	assert_int_equal(reply(&out, &f, &data, &n, &err), -EIO);
	assert_int_equal(err.kind, JOEY_EK_OTHER);
	assert_string_equal(joey_err_text(&err), "\\x1b]0;x\\x07\\n\\xc2\\x9b"
						 "2J caf\xc3\xa9 \\xff\\xc0\\xaf\\xed\\xa0\\x80 \xf0\x9f\x90\xa8\\x7f"
						 "\\xe2\\x82\\x00");
	memset(big, 'y', sizeof(big));
	assert_int_equal(joey_wire_put_reply(&out, 5, 0, 0, big, sizeof(big)), -EINVAL);
	assert_int_equal(joey_wire_put_reply(&out, 5, EIO, 0, big, sizeof(big)), 0);
	assert_int_equal(reply(&out, &f, &data, &n, &err), -EIO);
	assert_int_equal(strlen(joey_err_text(&err)), 4096);
	assert_int_equal(joey_wire_put_reply(&out, 5, EIO, 0, NULL, 0), 0);
	assert_int_equal(reply(&out, &f, &data, &n, &err), -EIO);
	assert_string_equal(joey_err_text(&err), "no reason given");
	assert_int_equal(joey_wire_put_u32(&out, JOEY_WIRE_EXIT, 0, 1, 5), 0);
	assert_int_equal(reply(&out, &f, &data, &n, &err), -EPROTO);
	joey_wire_out_done(&out);
}

/* ---- descriptors ------------------------------------------------------------------------------------------------ */

static void send_frame_fd(int sock, uint32_t id, const int *fds, size_t n)
{
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(1000);

	assert_int_equal(joey_wire_put(&out, JOEY_WIRE_ATTACH, 0, id, "{}", 2), 0);
	assert_int_equal(joey_send_fds(sock, out.buf, out.to, fds, n), 14);
	joey_wire_out_done(&out);
}

static void descriptors_come_in_order(void **state)
{
	struct joey_wire_in in = JOEY_WIRE_IN_INIT;
	int s[2], p[2], fd = -EBADF, q[4], n_q = 0, frames = 0, r;
	struct joey_frame f;

	(void)state;
	pair(s);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	send_frame_fd(s[0], 1, NULL, 0);
	send_frame_fd(s[0], 2, &p[0], 1);
	send_frame_fd(s[0], 3, &p[1], 1);
	send_frame_fd(s[0], 4, NULL, 0);
	while ((r = joey_wire_read_fd(&in, s[1], &fd)) == 0) {
		if (fd >= 0)
			q[n_q++] = fd;
		while (joey_wire_next(&in, &f) == 1) {
			/* never later than its frame */
			if (f.id == 2 || f.id == 3)
				assert_true(n_q >= (int)f.id - 1);
			frames++;
		}
	}
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(fd, -EBADF);
	assert_int_equal(n_q, 2);
	assert_int_equal(frames, 4);
	assert_int_equal(write(q[1], "x", 1), 1);
	assert_int_equal(read(q[0], &r, 1), 1);
	/* two with one message: refused, and nothing is kept */
	send_frame_fd(s[0], 1, p, 2);
	assert_int_equal(joey_wire_read_fd(&in, s[1], &fd), -EMSGSIZE);
	assert_int_equal(fd, -EBADF);
	for (int i = 0; i < 2; i++) {
		close(q[i]);
		close(p[i]);
		close(s[i]);
	}
	joey_wire_in_done(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout_is_little_endian),
		cmocka_unit_test(every_rule_of_a_header),
		cmocka_unit_test(what_would_be_refused_is_not_put),
		cmocka_unit_test(one_byte_at_a_time),
		cmocka_unit_test(all_that_was_sent_before_the_end_is_read),
		cmocka_unit_test(reader_takes_no_more_than_it_must),
		cmocka_unit_test(hostile_lengths_do_not_allocate),
		cmocka_unit_test(writer_is_bounded_and_whole),
		cmocka_unit_test(blobs_are_split_and_all_or_nothing),
		cmocka_unit_test(flush_waits_for_nobody),
		cmocka_unit_test(replies_carry_errors),
		cmocka_unit_test(a_reply_is_not_believed),
		cmocka_unit_test(descriptors_come_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
