/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_ZYGOTE_H
#define JOEY_ZYGOTE_H

/*
 * What src/vmm and the library that it loads into a QEMU (src/zygote) say to each other.  The library makes of an
 * emulated machine that stands still one that can be forked: each copy is a process with all threads of the original,
 * in namespaces of its own, which has its memory copy-on-write, the translated code of the guest included.
 *
 * Over a SOCK_SEQPACKET socket, which is QEMU's descriptor JOEY_ZYGOTE_FD:
 *   once    joey_zygote_setup and the filter; answered there by a joey_zygote_answer
 *   then    joey_zygote_fork with 3 + n descriptors, or 4 + n: where to answer (SOCK_SEQPACKET), life, the share
 *           (detached mount), n that take the places of targets[], and the cgroup to be born in (JOEY_ZYGOTE_CGROUP).
 *           Two answers: one of the zygote, with the copy's pidfd, and one of the copy, when it is on its own; an
 *           answer with an error is the last one.  The copy ends when the other end of life is closed.
 */
#include <linux/filter.h>
#include <stdint.h>

#define JOEY_ZYGOTE_MAGIC 0x6a7a7967u
#define JOEY_ZYGOTE_ENV   "JOEY_ZYGOTE_FD"

enum {
	JOEY_ZYGOTE_TARGETS_MAX = 16,
	JOEY_ZYGOTE_FILTER_MAX = 1024, /* instructions */
	JOEY_ZYGOTE_CGROUP = 1,        /* of flags */
	/* The size of first.c's file, all of which it maps: not one of whole pages, as programs' are. */
	JOEY_ZYGOTE_FIRST_SIZE = (4 << 20) - 100,
};

struct joey_zygote_setup {
	uint32_t magic, n;
	uint64_t caps; /* a mask: what a copy keeps */
	struct sock_filter filter[JOEY_ZYGOTE_FILTER_MAX];
};

struct joey_zygote_fork {
	uint32_t magic, flags, n, n_nowhere;
	int32_t targets[JOEY_ZYGOTE_TARGETS_MAX];
	int32_t nowhere[JOEY_ZYGOTE_TARGETS_MAX]; /* taps, in whose places comes what leads nowhere */
};

struct joey_zygote_answer {
	int32_t errnum;
	char what[60];
};

#endif
