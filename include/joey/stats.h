/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_STATS_H
#define JOEY_STATS_H

/*
 * What can be learned about a running container: numbers, and two events.  Plain data, so that any backend can fill it
 * in; units are those of the source on cgroup v2.  What a host does not offer is zero, empty or !set.
 */

#include "joey/err.h"
#include "joey/util.h"

struct joey_psi_line {
	uint32_t avg10, avg60, avg300; /* hundredths of a percent */
	uint64_t total;                /* microseconds */
};
struct joey_psi {
	bool set;
	struct joey_psi_line some, full;
};

struct joey_number_list { /* of CPUs or memory nodes */
	uint16_t *v;
	size_t n;
};

struct joey_memory_use {
	uint64_t limit, usage, max; /* bytes; limit UINT64_MAX: none */
};

struct joey_named_value {
	const char *name;
	uint64_t value;
};

struct joey_io_use {
	uint32_t major, minor;
	uint64_t read_bytes, written_bytes, reads, writes;
};

struct joey_hugetlb_use {
	const char *page_size; /* "2MB" */
	uint64_t usage, failures;
};

/* Intel RDT; members that this host or group has not are not set, NULL or empty. */
struct joey_rdt_bandwidth {
	uint64_t total, local; /* bytes */
};
struct joey_rdt_use {
	bool set;
	struct {
		bool set;
		const char *cbm_mask;
		uint64_t min_cbm_bits, num_closids;
		const char *root, *own; /* lines of schemata */
	} l3;
	struct {
		bool set;
		uint64_t bandwidth_gran, delay_linear, min_bandwidth, num_closids;
		const char *root, *own;
	} mb;
	struct joey_strlist schemata;
	struct joey_rdt_bandwidth *mbm; /* a domain each */
	uint64_t *llc;                  /* bytes of cache, a domain each */
	size_t n_mbm, n_llc;
};

struct joey_stats {
	struct {
		uint64_t total, kernel, user; /* nanoseconds */
		uint64_t periods, throttled_periods, throttled_time;
		struct joey_psi psi;
	} cpu;
	struct joey_number_list cpus, mems;
	struct {
		uint64_t cache;
		struct joey_memory_use use, swap; /* swap: memory and swap together */
		struct joey_named_value *raw;
		size_t n_raw;
		struct joey_psi psi;
	} memory;
	struct {
		uint64_t current, limit; /* limit 0: none */
	} pids;
	struct joey_io_use *io;
	size_t n_io;
	struct joey_psi io_psi;
	struct joey_hugetlb_use *hugetlb;
	size_t n_hugetlb;
	struct joey_rdt_use rdt;
};

enum {
	JOEY_EVENT_OOM = 1,   /* the kernel has killed a process of the container for want of memory */
	JOEY_EVENT_EMPTY = 2, /* no process is left */
};

struct joey_watch {
	int fd; /* poll(2) for POLLIN, then take() */
	void *source;
	/* JOEY_EVENT_* since the last call, 0 if none.  Never blocks; may be called at any time, because a wake-up can
	 * be lost when the container is removed. */
	unsigned (*take)(struct joey_watch *w);
	void (*done)(struct joey_watch *w);
};

#endif
