/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host sends to the agent: each frame of the input on the channel that its type belongs to.  No job is ever
 * begun (that is the loop's), so nothing is made; what must hold is that every request is answered or waits, and the
 * bounds.
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "agent/agent-internal.h"
#include "fuzz.h"

/* What the worker would do first. */
static void parse_net(const struct agent_job *j)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct agent_net_request q;

	if (agent_net_parse(j->json, &arena, &q, &err) == 0)
		FUZZ_ASSERT(q.n <= JOEY_NET_DEVICES_MAX && (q.routes || q.n_routes == 0));
	joey_arena_done(&arena);
}

static void check(const struct agent *a)
{
	size_t early = 0, procs = 0, waiting = 0, blobs = 0;

	for (const struct agent_proc *p = a->procs; p; p = p->next) {
		procs++;
		early += p->state == AGENT_EARLY_PROC;
	}
	for (const struct agent_job *j = a->waiting; j; j = j->next) {
		waiting++;
		blobs += j->n_blob;
		if (j->type == JOEY_WIRE_NET)
			parse_net(j);
	}
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(a->blobs); i++)
		blobs += a->blobs[i].cap;
	FUZZ_ASSERT(procs == a->n_procs && early == a->n_early && waiting == a->n_waiting && blobs == a->blob_bytes);
	FUZZ_ASSERT(early <= AGENT_EARLY && procs <= JOEY_WIRE_PROCESSES_MAX && blobs <= AGENT_BLOB_BYTES);
}

static int take(struct agent *a, const struct joey_frame *f)
{
	if (f->type >= JOEY_WIRE_DATA && f->type < JOEY_WIRE_SIGNAL)
		return agent_proc_take(a, f);
	return agent_take_ctl(a, f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char root[] = "/tmp/joey-fuzz-agent";
	static struct agent a;
	struct joey_frame f;
	int c[2], i[2];
	size_t used;

	(void)mkdir(root, 0700);
	(void)mkdir("/tmp/joey-fuzz-agent/joey-agent", 0700);
	FUZZ_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, c) == 0 &&
		    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, i) == 0);
	agent_init(&a, c[0], i[0], root, "/joey-fuzz", true);
	a.greeted = size > 0 && data[size - 1] != '!';
	while (joey_wire_parse(data, size, &f, &used) == 1 && a.n_waiting < AGENT_JOBS_WAITING) {
		if (take(&a, &f) < 0)
			break;
		for (struct agent_proc *p = a.procs, *next; p; p = next) {
			next = p->next;
			agent_proc_turn(&a, p);
		}
		check(&a);
		a.ctl.out.from = a.ctl.out.to;
		a.io.out.from = a.io.out.to;
		data += used;
		size -= used;
	}
	check(&a);
	agent_done(&a);
	close(c[1]);
	close(i[1]);
	return 0;
}
