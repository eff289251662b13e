/* SPDX-License-Identifier: Apache-2.0 */
/* src/sandbox: the record in state.json, places, and the tables of the sandbox process. */
#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup_tmp.h"
#include "cgroups/cgroups-internal.h"
#include "joey/json.h"
#include "sandbox/daemon-internal.h"

/* ---- data.c ------------------------------------------------------------------------------------------------------ */

static void data_comes_back(void **state)
{
	struct joey_container c = { .arena = JOEY_ARENA_INIT, .id = (char *)(uintptr_t) "c1" };
	const struct vm_data d = {
		.sandbox = "pod-1", .handle = 4294967295, .pod = true, .memory = 1 << 28, .vcpus = 2
	};
	struct vm_data got;

	(void)state;
	assert_int_equal(data_save(&c, &d, NULL), 0);
	assert_int_equal(data_load(&c, &got, NULL), 0);
	assert_string_equal(got.sandbox, "pod-1");
	assert_true(got.handle == 4294967295 && got.pod);
	assert_string_equal(joey_json_get_string(joey_json_get(c.state.backend_data, "shown"), "isolation"), "compat");
	joey_arena_done(&c.arena);
}

static void data_that_is_wrong(void **state)
{
	static const char *const texts[] = { "{}",
					     "{\"sandbox\":\"a\"}",
					     "{\"sandbox\":1,\"handle\":1}",
					     "{\"sandbox\":\"a\",\"handle\":4294967296}",
					     "[]",
					     "7" };

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(texts); i++) {
		struct joey_container c = { .arena = JOEY_ARENA_INIT, .id = (char *)(uintptr_t) "c1" };
		autoerr struct joey_err err = JOEY_ERR_INIT;
		struct joey_json *j = NULL;
		struct vm_data got;

		assert_int_equal(joey_json_parse(texts[i], strlen(texts[i]), 100, &c.arena, &j, NULL), 0);
		c.state.backend_data = j;
		assert_int_equal(data_load(&c, &got, &err), -EPROTO);
		joey_arena_done(&c.arena);
	}
}

/* ---- place.c ---------------------------------------------------------------------------------------------------- */

static int make_root(char *path)
{
	strcpy(path, "/tmp/joey-unit-XXXXXX");
	assert_non_null(mkdtemp(path));
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void place_is_made_and_removed(void **state)
{
	autoplace struct vm_place p = VM_PLACE_INIT, q = VM_PLACE_INIT, none = VM_PLACE_INIT;
	char path[32];
	autoclose int root = make_root(path);

	(void)state;
	assert_int_equal(place_open(&none, root, "a", false, NULL), -ENOENT);
	assert_int_equal(place_open(&p, root, "a", true, NULL), 0);
	assert_int_equal(place_lock(&p, 0, NULL), 0);
	assert_int_equal(place_load(&p, NULL), 0);
	assert_int_equal(p.pid, 0);
	assert_false(place_is_alive(&p));
	p.pid = 1234567;
	p.pid_start = 99;
	p.memory = 5;
	p.vcpus = 3;
	p.accel = JOEY_ACCEL_KVM;
	assert_int_equal(place_save(&p, NULL), 0);
	assert_int_equal(place_open(&q, root, "a", false, NULL), 0);
	assert_int_equal(place_load(&q, NULL), 0);
	assert_true(q.pid == 1234567 && q.pid_start == 99 && q.memory == 5 && q.vcpus == 3 &&
		    q.accel == JOEY_ACCEL_KVM);
	assert_false(place_is_alive(&q));
	assert_int_equal(place_lock(&q, 10, NULL), -ETIMEDOUT);
	assert_int_equal(place_destroy(&p, root, NULL), 0);
	place_unlock(&p);
	/* Who waited for it must make it again. */
	assert_int_equal(place_lock(&q, 10, NULL), -ESTALE);
	assert_int_equal(rmdir(path), 0);
}

static void place_with_a_record_that_is_wrong(void **state)
{
	static const char *const texts[] = { "", "{", "{\"pid\":99999999999}", "{\"pid\":\"x\"}", "[]" };
	char path[32];
	autoclose int root = make_root(path);

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(texts); i++) {
		autoplace struct vm_place p = VM_PLACE_INIT;
		autoerr struct joey_err err = JOEY_ERR_INIT;

		assert_int_equal(place_open(&p, root, "a", true, NULL), 0);
		assert_int_equal(joey_replace_file_at(p.dir_fd, "sandbox.json", 0600, texts[i], strlen(texts[i])), 0);
		(void)place_load(&p, &err);
		assert_int_equal(p.pid, 0);
		assert_false(place_is_alive(&p));
		(void)unlinkat(p.dir_fd, "sandbox.json", 0);
		assert_int_equal(place_destroy(&p, root, NULL), 0);
	}
	assert_int_equal(rmdir(path), 0);
}

static void place_names_are_ids(void **state)
{
	static const char *const names[] = { "..", "a/b", "", "@vm" };
	char path[32];
	autoclose int root = make_root(path);

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(names); i++) {
		autoplace struct vm_place p = VM_PLACE_INIT;
		autoerr struct joey_err err = JOEY_ERR_INIT;

		assert_true(place_open(&p, root, names[i], true, &err) < 0);
	}
	assert_int_equal(rmdir(path), 0);
}

/* ---- limits.c --------------------------------------------------------------------------------------------------- */

static struct joey_resources cpu(int64_t quota, uint64_t period, uint64_t shares)
{
	struct joey_resources r = vm_no_limits;

	r.cpu.quota.set = quota != 0;
	r.cpu.quota.v = quota;
	r.cpu.period.set = period != 0;
	r.cpu.period.v = period;
	r.cpu.shares.set = shares != 0;
	r.cpu.shares.v = shares;
	return r;
}

static void processor_time_adds_up(void **state)
{
	const struct joey_resources half = cpu(50000, 0, 512), two = cpu(20000, 10000, 2048), none = cpu(-1, 0, 0),
				    much = cpu(INT64_MAX, 1, 262144);
	struct vm_cpu sum = { .quota = 0 };

	(void)state;
	limits_add(&sum, &half);
	assert_int_equal(sum.quota, 50000);
	limits_add(&sum, &two);
	assert_int_equal(sum.quota, 250000);
	assert_int_equal(sum.shares, 2560);
	assert_false(sum.unlimited);
	limits_add(&sum, NULL);
	assert_true(sum.unlimited);
	sum = (struct vm_cpu){ .quota = 0 };
	limits_add(&sum, &none);
	assert_true(sum.unlimited);
	assert_int_equal(sum.shares, 1024);
	sum = (struct vm_cpu){ .quota = 0 };
	limits_add(&sum, &much);
	limits_add(&sum, &much);
	assert_true(sum.unlimited);
	assert_int_equal(sum.shares, 262144);
}

static struct joey_cgroup *fake_cgroup(const struct tmp_dir *t)
{
	struct joey_cgroup *cg;

	assert_int_equal(cgroup_new_for_test(dup(t->fd), &cg), 0);
	return cg;
}

static void limits_of_the_host(void **state)
{
	struct vm_place p = {
		.accel = JOEY_ACCEL_KVM, .memory = (uint64_t)1 << 30, .vcpus = 2, .id = (char *)(uintptr_t) "s"
	};
	struct vm_cpu sum = { .quota = 250000, .shares = 1024 };
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_cgroup *cg;
	struct tmp_dir t;

	(void)state;
	tmp_make(&t);
	/* a host without controllers refuses nothing */
	cg = fake_cgroup(&t);
	assert_int_equal(limits_apply(cg, &p, &sum, &err), 0);
	assert_false(p.host_limits);
	assert_int_equal(limits_apply(NULL, &p, &sum, &err), 0);
	/* one of them */
	tmp_file(&t, "pids.max", "");
	assert_int_equal(limits_apply(cg, &p, &sum, &err), 0);
	assert_true(p.host_limits);
	tmp_expect(&t, "pids.max", "196");
	/* all */
	tmp_file(&t, "memory.max", "");
	tmp_file(&t, "cpu.max", "");
	tmp_file(&t, "cpu.weight", "");
	assert_int_equal(limits_apply(cg, &p, &sum, &err), 0);
	tmp_expect(&t, "memory.max", "1275068416");
	tmp_expect(&t, "cpu.max", "250000 100000");
	tmp_expect(&t, "cpu.weight", "100");
	/* no sum any more; emulation keeps code */
	sum.unlimited = true;
	sum.shares = 2048;
	p.accel = JOEY_ACCEL_TCG;
	tmp_file(&t, "memory.max", "");
	tmp_file(&t, "cpu.max", "");
	tmp_file(&t, "cpu.weight", "");
	assert_int_equal(limits_apply(cg, &p, &sum, &err), 0);
	tmp_expect(&t, "memory.max", "2348810240");
	tmp_expect(&t, "cpu.max", "max 100000");
	joey_cgroup_free(cg);
	tmp_remove(&t);
}

/* ---- daemon_table.c --------------------------------------------------------------------------------------------- */

static void tables(void **state)
{
	struct daemon d = { .args = NULL };
	struct daemon_request *q, *other;
	struct daemon_proc *p, *x;
	struct daemon_conn *c;

	(void)state;
	p = daemon_proc_new(&d, 0, -EBADF);
	x = daemon_proc_new(&d, p->handle, -EBADF);
	assert_true(p->container == p->handle && x->container == p->handle && x->handle != p->handle);
	assert_ptr_equal(daemon_proc_find(&d, x->handle), x);
	/* removed more often than added */
	assert_int_equal(daemon_container_add(&d, p->handle), 0);
	assert_int_equal(daemon_container_add(&d, 77), 0);
	daemon_container_remove(&d, p->handle);
	daemon_container_remove(&d, p->handle);
	assert_int_equal(d.n_containers, 1);
	daemon_container_remove(&d, 77);
	assert_true(d.n_containers == 0 && d.had_container);
	/* BLOBs and their request are one; an answer before it was sent is none of its */
	c = daemon_conn_new(&d, -EBADF);
	q = daemon_request_get(&d, c, NULL, 5);
	assert_ptr_equal(daemon_request_get(&d, c, NULL, 5), q);
	assert_null(daemon_request_find(&d, q->id));
	q->sent = true;
	assert_ptr_equal(daemon_request_find(&d, q->id), q);
	other = daemon_request_get(&d, c, NULL, 5);
	assert_true(other != q && other->id != q->id);
	/* who asked is gone: the answer goes nowhere */
	daemon_conn_remove(&d, c);
	assert_true(!q->conn && !other->conn);
	daemon_request_remove(&d, q);
	daemon_request_remove(&d, other);
	/* a handle is never used twice */
	uint32_t last = x->handle;
	daemon_proc_remove(&d, x);
	x = daemon_proc_new(&d, p->handle, -EBADF);
	assert_true(x->handle > last);
	daemon_proc_remove(&d, x);
	daemon_proc_remove(&d, p);
	free(d.procs);
	free(d.conns);
	free(d.requests);
	free(d.containers);
}

static void tables_are_bounded(void **state)
{
	struct daemon d = { .args = NULL };
	size_t n = 0;

	(void)state;
	while (daemon_request_get(&d, NULL, NULL, (uint32_t)++n))
		d.requests[d.n_requests - 1]->sent = true;
	assert_int_equal(d.n_requests, DAEMON_REQUESTS_MAX);
	while (d.n_requests > 0)
		daemon_request_remove(&d, d.requests[0]);
	while (daemon_conn_new(&d, -EBADF))
		;
	assert_int_equal(d.n_conns, DAEMON_CONNS_MAX);
	while (d.n_conns > 0)
		daemon_conn_remove(&d, d.conns[0]);
	free(d.conns);
	free(d.requests);
}

/* ---- what the guest says of its processes ----------------------------------------------------------------------- */

#define ENTRY(pid, uid, state, n, text) pid "\0\0\0" uid "\0\0\0" state "\0\0\0" n "\0\0\0" text

static int decode(const char *bytes, size_t n, struct joey_guest_processes *ret)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	/* exact, for the sanitizers */
	autofree uint8_t *copy = malloc(n + 1);

	assert_non_null(copy);
	memcpy(copy, bytes, n);
	return vm_decode_processes(copy, n, ret, &err);
}

static void processes(void **state)
{
	static const char two[] = ENTRY("\x22", "\0", "S", "\x0b", "sleep\0001000\0")
		ENTRY("\x07", "\x64", "\x1b", "\x05", "\x1b[2J\xff");
	struct joey_guest_processes p = { NULL, 0 };

	(void)state;
	assert_int_equal(decode(two, sizeof(two) - 1, &p), 0);
	assert_int_equal(p.n, 2);
	assert_true(p.v[0].pid == 0x22 && p.v[0].uid == 0 && p.v[0].state == 'S');
	assert_string_equal(p.v[0].command, "sleep 1000");
	assert_true(p.v[1].pid == 7 && p.v[1].uid == 100 && p.v[1].state == '?');
	assert_string_equal(p.v[1].command, "\\x1b[2J\\xff");
	joey_guest_processes_done(&p);
	assert_int_equal(decode("", 0, &p), 0);
	assert_int_equal(p.n, 0);
	joey_guest_processes_done(&p);
	/* half an entry; a text that is longer than what came */
	for (size_t n = 1; n < sizeof(two) - 1; n++) {
		if (n == 27)
			continue;
		assert_int_equal(decode(two, n, &p), -EPROTO);
	}
	assert_int_equal(decode(ENTRY("\1", "\1", "S", "\xff", "x"), 17, &p), -EPROTO);
	assert_int_equal(decode("\1\0\0\0\1\0\0\0S\0\0\0\xff\xff\xff\xff", 16, &p), -EPROTO);
	/* all numbers, no text */
	assert_int_equal(decode(ENTRY("\1", "\1", "S", "\0", ""), 16, &p), 0);
	assert_string_equal(p.v[0].command, "");
	joey_guest_processes_done(&p);
}

/* ---- share.c ----------------------------------------------------------------------------------------------------- */

/* As a sandbox process: its root is made, and left for good when go says so. */
static _Noreturn void share_owner(int said, int go)
{
	struct joey_err err = JOEY_ERR_INIT;
	int share = -EBADF;
	char c;

	if (share_init(&share, &err) < 0 || write(said, "i", 1) != 1 || read(go, &c, 1) != 1 ||
	    share_close_root(&err) < 0 || write(said, "d", 1) != 1)
		_exit(1);
	(void)pause();
	_exit(0);
}

/* Enters its mounts again and again until it has said that it is done; exits with 1 when it got another root. */
static _Noreturn void share_joiner(int ns, int said)
{
	struct pollfd p = { .fd = said, .events = POLLIN };
	bool done = false;

	while (!done) {
		done = poll(&p, 1, 0) > 0;
		if (setns(ns, CLONE_NEWNS) < 0)
			_exit(2);
		if (access("/rw", F_OK) < 0 || access("/share", F_OK) < 0 || access("/proc", F_OK) == 0)
			_exit(1);
	}
	_exit(0);
}

static int join_while_it_is_left(void)
{
	int said[2], go[2], wstatus, ns;
	pid_t owner, joiner;
	char c, path[48];

	assert_int_equal(pipe2(said, O_CLOEXEC) | pipe2(go, O_CLOEXEC), 0);
	owner = fork();
	if (owner == 0)
		share_owner(said[1], go[0]);
	assert_int_equal(read(said[0], &c, 1), 1);
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)owner);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(ns >= 0);
	joiner = fork();
	if (joiner == 0)
		share_joiner(ns, said[0]);
	assert_int_equal(write(go[1], "g", 1), 1);
	assert_int_equal(waitpid(joiner, &wstatus, 0), joiner);
	assert_int_equal(kill(owner, SIGKILL), 0);
	assert_int_equal(waitpid(owner, NULL, 0), owner);
	for (int i = 0; i < 2; i++) {
		close(said[i]);
		close(go[i]);
	}
	close(ns);
	return WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : -1;
}

static void who_joins_never_gets_the_hosts_root(void **state)
{
	enum { ROUNDS = 100 };

	(void)state;
	if (geteuid() != 0)
		skip();
	for (int i = 0; i < ROUNDS; i++)
		assert_int_equal(join_while_it_is_left(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_joins_never_gets_the_hosts_root),
		cmocka_unit_test(data_comes_back),
		cmocka_unit_test(data_that_is_wrong),
		cmocka_unit_test(place_is_made_and_removed),
		cmocka_unit_test(place_with_a_record_that_is_wrong),
		cmocka_unit_test(place_names_are_ids),
		cmocka_unit_test(tables),
		cmocka_unit_test(tables_are_bounded),
		cmocka_unit_test(processor_time_adds_up),
		cmocka_unit_test(limits_of_the_host),
		cmocka_unit_test(processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
