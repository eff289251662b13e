/* SPDX-License-Identifier: Apache-2.0 */
/* src/wire: the streams of a process, rule by rule, and both ends over a real channel. */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "joey/wire.h"

enum { ID = 7, W = JOEY_WIRE_WINDOW };

static int take(struct joey_relay *r, unsigned type, unsigned stream, uint32_t id, const void *data, size_t n,
		struct joey_wire_out *out)
{
	const struct joey_frame f = { (uint16_t)type, (uint16_t)stream, id, (uint32_t)n, data };

	return joey_relay_take(r, &f, out);
}

static int credit(struct joey_relay *r, unsigned stream, uint32_t n, struct joey_wire_out *out)
{
	const uint8_t b[4] = { (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), (uint8_t)(n >> 24) };

	return take(r, JOEY_WIRE_CREDIT, stream, ID, b, 4, out);
}

static void pipe_pair(int p[2])
{
	assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
}

static bool next(struct joey_wire_out *out, struct joey_frame *f)
{
	size_t used;

	if (joey_wire_parse(out->buf + out->from, out->to - out->from, f, &used) != 1)
		return false;
	out->from += used;
	return true;
}

static void move(struct joey_relay *r, struct joey_wire_out *out)
{
	struct pollfd p[3];

	joey_relay_want(r, true, p);
	(void)poll(p, 3, 0);
	assert_int_equal(joey_relay_move(r, p, out), 0);
}

static uint8_t zeros[W];

static void frames_that_break_the_rules(void **state)
{
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(1 << 20);
	struct joey_relay r;
	int p[2];

	(void)state;
	pipe_pair(p);
	joey_relay_init(&r, ID);
	joey_relay_add(&r, 0, p[1], JOEY_RELAY_RECEIVE, false, true);
	joey_relay_add(&r, 1, p[0], JOEY_RELAY_SEND, false, true);
	assert_int_equal(take(&r, JOEY_WIRE_DATA, 0, ID + 1, "x", 1, &out), -EPROTO);
	assert_int_equal(take(&r, JOEY_WIRE_DATA, 1, ID, "x", 1, &out), -EPROTO);
	assert_int_equal(take(&r, JOEY_WIRE_DATA, 2, ID, "x", 1, &out), -EPROTO);
	assert_int_equal(take(&r, JOEY_WIRE_DATA, 900, ID, "x", 1, &out), -EPROTO);
	assert_int_equal(take(&r, JOEY_WIRE_EOF, 2, ID, NULL, 0, &out), -EPROTO);
	assert_int_equal(take(&r, JOEY_WIRE_EXIT, 0, ID, "1234", 4, &out), -EPROTO);
	assert_int_equal(credit(&r, 0, 1, &out), -EPROTO);
	assert_int_equal(credit(&r, 1, 1, &out), -EPROTO); /* above the window */
	assert_int_equal(credit(&r, 1, 0, &out), -EPROTO);
	assert_int_equal(credit(&r, 1, UINT32_MAX, &out), -EPROTO);
	assert_int_equal(take(&r, JOEY_WIRE_CREDIT, 1, ID, "x", 1, &out), -EPROTO);
	assert_int_equal(take(&r, JOEY_WIRE_EOF, 0, ID, NULL, 0, &out), 0);
	assert_int_equal(take(&r, JOEY_WIRE_EOF, 0, ID, NULL, 0, &out), -EPROTO);
	assert_int_equal(take(&r, JOEY_WIRE_DATA, 0, ID, "x", 1, &out), -EPROTO);
	assert_int_equal(take(&r, JOEY_WIRE_EOF, 1, ID, NULL, 0, &out), 0);
	assert_int_equal(take(&r, JOEY_WIRE_EOF, 1, ID, NULL, 0, &out), -EPROTO);
	joey_relay_done(&r);
	joey_wire_out_done(&out);
	close(p[0]);
	close(p[1]);
}

static void no_more_than_the_window(void **state)
{
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(1 << 20);
	struct joey_relay r;
	struct joey_frame f;

	(void)state;
	joey_relay_init(&r, ID);
	/* the descriptor is not there yet */
	joey_relay_add(&r, 0, -EBADF, JOEY_RELAY_RECEIVE, false, false);
	for (int i = 0; i < W / 32768; i++)
		assert_int_equal(take(&r, JOEY_WIRE_DATA, 0, ID, zeros, 32768, &out), 0);
	assert_true(joey_relay_pending(&r));
	assert_int_equal(r.s[0].cap, W);
	assert_int_equal(take(&r, JOEY_WIRE_DATA, 0, ID, zeros, 1, &out), -EPROTO);
	assert_false(next(&out, &f));
	joey_relay_done(&r);
	assert_false(joey_relay_pending(&r));
	joey_wire_out_done(&out);
}

static void credit_comes_back_when_bytes_have_left(void **state)
{
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(1 << 20);
	static uint8_t buf[W];
	struct joey_relay r;
	struct joey_frame f;
	uint32_t granted = 0, v;
	int p[2];

	(void)state;
	pipe_pair(p);
	assert_int_equal(fcntl(p[1], F_SETPIPE_SZ, 4096), 4096);
	joey_relay_init(&r, ID);
	joey_relay_add(&r, 0, p[1], JOEY_RELAY_RECEIVE, false, false);
	for (int i = 0; i < W / 32768; i++)
		assert_int_equal(take(&r, JOEY_WIRE_DATA, 0, ID, zeros, 32768, &out), 0);
	assert_false(next(&out, &f)); /* 4096 have left */
	assert_int_equal(r.s[0].owed, 4096);
	for (size_t left = W; left > 0;) {
		ssize_t n = read(p[0], buf, sizeof(buf));

		assert_true(n > 0);
		left -= (size_t)n;
		move(&r, &out);
	}
	while (next(&out, &f)) {
		assert_int_equal(f.type, JOEY_WIRE_CREDIT);
		assert_int_equal(joey_frame_u32(&f, &v), 0);
		granted += v;
	}
	assert_int_equal(granted, W);
	assert_int_equal(r.s[0].credit, W);
	assert_null(r.s[0].buf);
	/* end of file goes behind the bytes */
	assert_int_equal(take(&r, JOEY_WIRE_DATA, 0, ID, zeros, 8192, &out), 0);
	assert_int_equal(take(&r, JOEY_WIRE_EOF, 0, ID, NULL, 0, &out), 0);
	assert_int_equal(read(p[0], buf, sizeof(buf)), 4096);
	move(&r, &out);
	assert_int_equal(read(p[0], buf, sizeof(buf)), 4096);
	assert_int_equal(read(p[0], buf, sizeof(buf)), 0);
	close(p[0]);
	joey_relay_done(&r);
	joey_wire_out_done(&out);
}

static void grants_wait_for_room(void **state)
{
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(10);
	struct joey_relay r;
	struct joey_frame f;
	struct pollfd none[3] = { { .fd = -1 }, { .fd = -1 }, { .fd = -1 } };
	int p[2];

	(void)state;
	pipe_pair(p);
	joey_relay_init(&r, ID);
	joey_relay_add(&r, 0, p[1], JOEY_RELAY_RECEIVE, false, false);
	assert_int_equal(take(&r, JOEY_WIRE_DATA, 0, ID, zeros, 32768, &out), 0);
	assert_false(next(&out, &f));
	out.max = 1000;
	assert_int_equal(joey_relay_move(&r, none, &out), 0);
	assert_true(next(&out, &f));
	assert_int_equal(f.type, JOEY_WIRE_CREDIT);
	close(p[0]);
	joey_relay_done(&r);
	joey_wire_out_done(&out);
}

static void a_closed_reader_is_told(void **state)
{
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(1 << 20);
	struct joey_relay r;
	struct joey_frame f;
	int p[2];

	(void)state;
	pipe_pair(p);
	joey_relay_init(&r, ID);
	joey_relay_add(&r, 1, p[1], JOEY_RELAY_RECEIVE, true, false);
	close(p[0]);
	assert_int_equal(take(&r, JOEY_WIRE_DATA, 1, ID, "x", 1, &out), 0);
	assert_true(next(&out, &f));
	assert_int_equal(f.type, JOEY_WIRE_EOF);
	assert_int_equal(f.stream, 1);
	/* what was on its way is dropped, what was not allowed is refused still */
	assert_int_equal(take(&r, JOEY_WIRE_DATA, 1, ID, zeros, 32768, &out), 0);
	assert_int_equal(take(&r, JOEY_WIRE_DATA, 1, ID, zeros, 32767, &out), 0);
	assert_int_equal(take(&r, JOEY_WIRE_DATA, 1, ID, "x", 1, &out), -EPROTO);
	assert_false(joey_relay_pending(&r));
	assert_int_equal(take(&r, JOEY_WIRE_EOF, 1, ID, NULL, 0, &out), 0);
	assert_false(next(&out, &f));
	joey_relay_done(&r);
	joey_wire_out_done(&out);
}

static void a_sender_obeys(void **state)
{
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(1 << 20);
	struct joey_relay r;
	struct joey_frame f;
	struct pollfd p[3];
	size_t sum = 0;
	int fds[2];

	(void)state;
	pipe_pair(fds);
	assert_true(fcntl(fds[1], F_SETPIPE_SZ, 1 << 20) >= 1 << 20);
	for (int i = 0; i < 3; i++)
		assert_int_equal(write(fds[1], zeros, W), W);
	joey_relay_init(&r, ID);
	joey_relay_add(&r, 2, fds[0], JOEY_RELAY_SEND, false, false);
	for (int i = 0; i < 10; i++)
		move(&r, &out);
	while (next(&out, &f)) {
		assert_int_equal(f.type, JOEY_WIRE_DATA);
		assert_int_equal(f.stream, 2);
		sum += f.len;
	}
	assert_int_equal(sum, W);
	joey_relay_want(&r, true, p);
	assert_int_equal(p[2].fd, -1);
	assert_false(joey_relay_drained(&r, &out));
	assert_int_equal(credit(&r, 2, W, &out), 0);
	assert_int_equal(credit(&r, 2, 1, &out), -EPROTO);
	joey_relay_want(&r, false, p);
	assert_int_equal(p[2].fd, -1);
	assert_false(joey_relay_drained(&r, &out));
	assert_int_equal(credit(&r, 2, W, &out), 0);
	/* the writer is still there, but all is sent */
	assert_true(joey_relay_drained(&r, &out));
	assert_true(r.s[2].open);
	sum = 0;
	while (next(&out, &f))
		sum += f.len;
	assert_int_equal(sum, 2 * W);
	assert_int_equal(write(fds[1], zeros, 10), 10);
	/* told that nobody listens: the writer behind gets EPIPE */
	assert_int_equal(take(&r, JOEY_WIRE_EOF, 2, ID, NULL, 0, &out), 0);
	assert_int_equal(write(fds[1], zeros, 10), -1);
	assert_int_equal(errno, EPIPE);
	assert_true(joey_relay_drained(&r, &out));
	/* credit for what was sent before may still come */
	assert_int_equal(credit(&r, 2, W, &out), 0);
	assert_false(next(&out, &f));
	close(fds[1]);
	joey_relay_done(&r);
	joey_wire_out_done(&out);
}

static void a_sender_without_room_reads_nothing(void **state)
{
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(12 + 100);
	struct joey_relay r;
	struct joey_frame f;
	int fds[2];

	(void)state;
	pipe_pair(fds);
	assert_int_equal(write(fds[1], zeros, 150), 150);
	close(fds[1]);
	joey_relay_init(&r, ID);
	joey_relay_add(&r, 1, fds[0], JOEY_RELAY_SEND, true, false);
	for (int i = 0; i < 3; i++)
		move(&r, &out);
	assert_true(next(&out, &f));
	assert_int_equal(f.len, 100);
	assert_false(next(&out, &f));
	move(&r, &out);
	assert_true(next(&out, &f));
	assert_int_equal(f.len, 50);
	move(&r, &out);
	assert_true(next(&out, &f));
	assert_int_equal(f.type, JOEY_WIRE_EOF);
	assert_true(joey_relay_drained(&r, &out));
	joey_relay_done(&r);
	joey_wire_out_done(&out);
}

/* A terminal: one descriptor, streams 0 and 1; it comes late, its other side ends with EIO. */
static void terminal(void **state)
{
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(1 << 20);
	struct joey_relay r;
	struct joey_frame f;
	char buf[100];
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK), slave;

	(void)state;
	assert_true(master >= 0);
	assert_int_equal(unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	joey_relay_init(&r, ID);
	joey_relay_add(&r, 0, -EBADF, JOEY_RELAY_RECEIVE, false, true);
	joey_relay_add(&r, 1, -EBADF, JOEY_RELAY_SEND, false, true);
	assert_int_equal(take(&r, JOEY_WIRE_DATA, 0, ID, "ls\n", 3, &out), 0);
	joey_relay_set(&r, 0, master);
	joey_relay_set(&r, 1, master);
	move(&r, &out);
	assert_int_equal(read(slave, buf, sizeof(buf)), 3);
	move(&r, &out);
	assert_true(next(&out, &f)); /* the echo */
	assert_int_equal(f.stream, 1);
	assert_memory_equal(f.data, "ls\r\n", 4);
	close(slave);
	move(&r, &out);
	assert_true(next(&out, &f));
	assert_int_equal(f.type, JOEY_WIRE_EOF);
	joey_relay_done(&r);
	joey_wire_out_done(&out);
	assert_int_equal(close(master), 0); /* it was kept */
}

static void a_blocking_descriptor_does_not_block(void **state)
{
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(1 << 20);
	struct joey_relay r;
	struct pollfd p[3] = { { .fd = -1 }, { .fd = -1, .revents = POLLIN }, { .fd = -1 } };
	int in[2], o[2];

	(void)state;
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(o, O_CLOEXEC), 0);
	joey_relay_init(&r, ID);
	joey_relay_add(&r, 0, o[1], JOEY_RELAY_RECEIVE, true, false);
	joey_relay_add(&r, 1, in[0], JOEY_RELAY_SEND, true, false);
	(void)alarm(10);
	/* another reader was faster than we */
	assert_int_equal(joey_relay_move(&r, p, &out), 0);
	assert_true(joey_relay_drained(&r, &out));
	assert_false(joey_wire_waits(&out));
	assert_int_equal(fcntl(o[1], F_SETPIPE_SZ, 4096), 4096);
	for (int i = 0; i < 2; i++)
		assert_int_equal(take(&r, JOEY_WIRE_DATA, 0, ID, zeros, 32768, &out), 0);
	p[0].revents = POLLOUT;
	assert_int_equal(joey_relay_move(&r, p, &out), 0);
	assert_true(joey_relay_pending(&r));
	assert_int_equal(fcntl(o[1], F_GETFL) & O_NONBLOCK, 0);
	(void)alarm(0);
	close(in[1]);
	close(o[0]);
	joey_relay_done(&r);
	joey_wire_out_done(&out);
}

static void a_file_is_written_whole(void **state)
{
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(1 << 20);
	char path[] = "/tmp/joey-relay-XXXXXX";
	struct joey_relay r;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	joey_relay_init(&r, ID);
	joey_relay_add(&r, 0, fd, JOEY_RELAY_RECEIVE, true, true);
	assert_int_equal(take(&r, JOEY_WIRE_DATA, 0, ID, zeros, 32768, &out), 0);
	assert_false(joey_relay_pending(&r));
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 32768);
	joey_relay_done(&r);
	joey_relay_init(&r, ID);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	joey_relay_add(&r, 1, fd, JOEY_RELAY_SEND, true, true);
	assert_true(joey_relay_drained(&r, &out));
	assert_false(r.s[1].open);
	joey_relay_done(&r);
	joey_wire_out_done(&out);
	close(fd);
}

/* ---- both ends -------------------------------------------------------------------------------------------------- */

/* As the agent and the proxy are: one channel, streams 1 and 2 from a to b. */
struct end {
	int sock;
	struct joey_wire_in in;
	struct joey_wire_out out;
	struct joey_relay r;
};

static void turn(struct end *e)
{
	struct pollfd p[3];
	struct joey_frame f;

	joey_relay_want(&e->r, e->out.max - (e->out.to - e->out.from) > 40000, p);
	(void)poll(p, 3, 0);
	assert_int_equal(joey_relay_move(&e->r, p, &e->out), 0);
	assert_true(joey_wire_flush(&e->out, e->sock) >= 0);
	(void)joey_wire_read(&e->in, e->sock);
	while (joey_wire_next(&e->in, &f) == 1)
		assert_int_equal(joey_relay_take(&e->r, &f, &e->out), 0);
	assert_true(e->out.cap <= 256 << 10 && e->in.cap <= 80000);
}

static void a_stuck_reader_stalls_only_its_stream(void **state)
{
	struct end a = { .out = JOEY_WIRE_OUT_INIT(128 << 10) }, b = { .out = JOEY_WIRE_OUT_INIT(128 << 10) };
	static uint8_t buf[50000];
	size_t fed[3] = { 0 }, got[3] = { 0 }, want = 8 << 20;
	int s[2], from[3][2], to[3][2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s), 0);
	a.sock = s[0];
	b.sock = s[1];
	joey_relay_init(&a.r, ID);
	joey_relay_init(&b.r, ID);
	for (unsigned i = 1; i < 3; i++) {
		pipe_pair(from[i]);
		pipe_pair(to[i]);
		joey_relay_add(&a.r, i, from[i][0], JOEY_RELAY_SEND, false, false);
		joey_relay_add(&b.r, i, to[i][1], JOEY_RELAY_RECEIVE, false, false);
	}
	/* stream 1's reader is stuck; stream 2 gets all through */
	for (int turns = 0; got[2] < want; turns++) {
		assert_true(turns < 100000);
		for (int i = 1; i < 3; i++) {
			size_t n = fed[i] + 7919 > want ? want - fed[i] : 7919;
			ssize_t w;

			for (size_t k = 0; k < n; k++)
				buf[k] = (uint8_t)((fed[i] + k) * 7 >> 3);
			w = n > 0 ? write(from[i][1], buf, n) : 0;
			fed[i] += w > 0 ? (size_t)w : 0;
		}
		turn(&a);
		turn(&b);
		for (ssize_t n; (n = read(to[2][0], buf, sizeof(buf))) > 0;)
			for (ssize_t k = 0; k < n; k++, got[2]++)
				assert_int_equal(buf[k], (uint8_t)(got[2] * 7 >> 3));
	}
	assert_true(fed[1] <= 3 * 65536 + 7919);
	/* then it wakes up, and everything that was written before its writer's end arrives */
	close(from[1][1]);
	for (int turns = 0; got[1] < fed[1]; turns++) {
		assert_true(turns < 1000);
		for (ssize_t n; (n = read(to[1][0], buf, sizeof(buf))) > 0;)
			for (ssize_t k = 0; k < n; k++, got[1]++)
				assert_int_equal(buf[k], (uint8_t)(got[1] * 7 >> 3));
		turn(&a);
		turn(&b);
	}
	assert_int_equal(read(to[1][0], buf, 1), 0);
	close(from[2][1]);
	close(to[1][0]);
	close(to[2][0]);
	joey_relay_done(&a.r);
	joey_relay_done(&b.r);
	joey_wire_in_done(&a.in);
	joey_wire_in_done(&b.in);
	joey_wire_out_done(&a.out);
	joey_wire_out_done(&b.out);
	close(s[0]);
	close(s[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_that_break_the_rules),
		cmocka_unit_test(no_more_than_the_window),
		cmocka_unit_test(credit_comes_back_when_bytes_have_left),
		cmocka_unit_test(grants_wait_for_room),
		cmocka_unit_test(a_closed_reader_is_told),
		cmocka_unit_test(a_sender_obeys),
		cmocka_unit_test(a_sender_without_room_reads_nothing),
		cmocka_unit_test(terminal),
		cmocka_unit_test(a_blocking_descriptor_does_not_block),
		cmocka_unit_test(a_file_is_written_whole),
		cmocka_unit_test(a_stuck_reader_stalls_only_its_stream),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
