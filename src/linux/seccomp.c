/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the profile to a BPF program (seccomp(2), libseccomp).  Runs in the parent, never loads anything.
 *
 * libseccomp makes the rules; our own answer for calls newer than the profile is added (seccomp_tail.c), and the whole
 * is laid out anew so that the kernel has less to load (seccomp_layout.c).  Compiling a large profile costs more than
 * all the rest of a container's start, so results are cached (seccomp_cache.c).
 */
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "joey/log.h"
#include "joey/syscalls.h"
#include "linux/linux-internal.h"

#ifndef SECCOMP_FILTER_FLAG_NEW_LISTENER
#define SECCOMP_FILTER_FLAG_NEW_LISTENER (1UL << 3)
#endif
#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW (1UL << 2)
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

enum {
	ARGS_MAX = 6,
	TREE_OF_RULES = 2, /* SCMP_FLTATR_CTL_OPTIMIZE: binary search by call number instead of a chain */
};

static void release(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}
#define autofilter __attribute__((cleanup(release)))

struct seccomp_block *seccomp_block_new(size_t n_insns)
{
	struct seccomp_block *b;
	size_t bytes;

	if (n_insns == 0 || n_insns > BPF_MAXINSNS)
		return NULL;
	bytes = sizeof(*b) + n_insns * sizeof(struct sock_filter);
	b = calloc(1, bytes);
	if (b)
		b->file.n_insns = (uint32_t)n_insns;
	return b;
}

void seccomp_block_seal(struct seccomp_block *b)
{
	b->prog.prog.len = (unsigned short)b->file.n_insns;
	b->prog.prog.filter = b->file.insns;
	b->prog.flags = b->file.flags;
	b->prog.notify = b->file.notify != 0;
}

void joey_seccomp_prog_free(struct joey_seccomp_prog *p)
{
	/* first member of a struct seccomp_block */
	free(p);
}

static int add_archs(scmp_filter_ctx ctx, const struct joey_seccomp *p, struct joey_err *err)
{
	for (size_t i = 0; i < p->n_archs; i++) {
		int r = seccomp_arch_add(ctx, p->archs[i]);

		if (r < 0 && r != -EEXIST)
			return joey_err_sys(err, r, "linux.seccomp.architectures[%zu]: add architecture 0x%x", i,
					    p->archs[i]);
	}
	return 0;
}

static struct scmp_arg_cmp comparison(const struct joey_seccomp_arg *a)
{
	/* MASKED_EQ: libseccomp wants the mask first, as the spec has it in "value" */
	return (struct scmp_arg_cmp){
		.arg = a->index,
		.op = (enum scmp_compare)a->op,
		.datum_a = a->value,
		.datum_b = a->value_two,
	};
}

/*
 * Conditions are joined by AND, but libseccomp knows one condition per argument.  Profiles that name an argument
 * twice mean OR, as runc has always read them: each condition becomes a rule of its own.
 */
static bool index_repeats(const struct joey_seccomp_rule *rule)
{
	unsigned seen = 0;

	for (size_t i = 0; i < rule->n_args; i++) {
		if (seen & 1u << rule->args[i].index)
			return true;
		seen |= 1u << rule->args[i].index;
	}
	return false;
}

static int add_call(scmp_filter_ctx ctx, const struct joey_seccomp_rule *rule, int nr)
{
	struct scmp_arg_cmp cmp[ARGS_MAX];
	int r;

	if (!index_repeats(rule)) {
		for (size_t i = 0; i < rule->n_args; i++)
			cmp[i] = comparison(&rule->args[i]);
		r = seccomp_rule_add_array(ctx, rule->action, nr, (unsigned)rule->n_args, cmp);
		return r == -EEXIST ? 0 : r;
	}
	for (size_t i = 0; i < rule->n_args; i++) {
		cmp[0] = comparison(&rule->args[i]);
		r = seccomp_rule_add_array(ctx, rule->action, nr, 1, cmp);
		if (r < 0 && r != -EEXIST)
			return r;
	}
	return 0;
}

static int add_rule(scmp_filter_ctx ctx, const struct joey_seccomp *p, size_t at, struct joey_err *err)
{
	const struct joey_seccomp_rule *rule = &p->rules[at];

	for (size_t i = 0; i < rule->n_args; i++)
		if (rule->args[i].index >= ARGS_MAX)
			return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
					    "linux.seccomp.syscalls[%zu].args[%zu].index: invalid value %u", at, i,
					    rule->args[i].index);
	for (size_t i = 0; i < rule->names.n; i++) {
		const char *name = rule->names.v[i];
		int nr = seccomp_syscall_resolve_name(name), r;

		if (nr == __NR_SCMP_ERROR) {
			if (p->fail_unknown_syscall)
				return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
						    "linux.seccomp.syscalls[%zu].names[%zu]: unknown syscall %s", at, i,
						    name);
			joey_debug("seccomp: unknown syscall %s ignored", name);
			continue;
		}
		r = add_call(ctx, rule, nr);
		if (r < 0)
			return joey_err_sys(err, r, "linux.seccomp.syscalls[%zu]: add rule for %s", at, name);
	}
	return 0;
}

static int build(const struct joey_seccomp *p, scmp_filter_ctx *ret, struct joey_err *err)
{
	autofilter scmp_filter_ctx ctx = seccomp_init(p->default_action);
	int r;

	if (!ctx)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "linux.seccomp.defaultAction: 0x%x is not possible",
				    p->default_action);
	r = add_archs(ctx, p, err);
	if (r < 0)
		return r;
	r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, TREE_OF_RULES);
	if (r < 0)
		return joey_err_sys(err, r, "seccomp: choose the layout of the filter");
	for (size_t i = 0; i < p->n_rules; i++) {
		/* libseccomp refuses a rule that says what happens anyway */
		if (p->rules[i].action == p->default_action)
			continue;
		r = add_rule(ctx, p, i, err);
		if (r < 0)
			return r;
	}
	*ret = ctx;
	ctx = NULL;
	return 0;
}

static uint32_t filter_flags(const struct joey_seccomp *p)
{
	uint64_t flags = p->flags_given ? p->filter_flags : SECCOMP_FILTER_FLAG_SPEC_ALLOW;

	/* the kernel refuses this one where there is no listener */
	if (!p->uses_notify)
		flags &= ~(uint64_t)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	else
		flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	return (uint32_t)flags;
}

/* libseccomp before 2.6 exports to a descriptor only. */
static int export_to(scmp_filter_ctx ctx, int *ret_fd, size_t *ret_insns, struct joey_err *err)
{
	autoclose int fd = memfd_create("joey-seccomp", MFD_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0)
		return joey_err_sys(err, errno, "seccomp: memfd_create");
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return joey_err_sys(err, r, "seccomp: make the filter");
	if (fstat(fd, &st) < 0)
		return joey_err_sys(err, errno, "seccomp: stat the filter");
	if (st.st_size <= 0 || st.st_size % (off_t)sizeof(struct sock_filter) ||
	    st.st_size / (off_t)sizeof(struct sock_filter) > BPF_MAXINSNS)
		return joey_err_set(err, JOEY_EK_CONFIG, E2BIG, "seccomp: the filter has %lld bytes: too large",
				    (long long)st.st_size);
	*ret_insns = (size_t)st.st_size / sizeof(struct sock_filter);
	*ret_fd = joey_take_fd(&fd);
	return 0;
}

/* The program as it is, behind the ENOSYS answers. */
static int assemble(const struct joey_seccomp *p, const struct sock_filter *in, size_t n, struct sock_filter *out,
		    size_t *ret_n, struct joey_err *err)
{
	struct sock_filter tail[SECCOMP_TAIL_MAX];
	size_t n_tail = (size_t)seccomp_tail(p, tail);

	if (n + n_tail > BPF_MAXINSNS)
		return joey_err_set(err, JOEY_EK_CONFIG, E2BIG, "seccomp: the filter has %zu instructions: too large",
				    n + n_tail);
	memcpy(out, tail, n_tail * sizeof(*out));
	memcpy(out + n_tail, in, n * sizeof(*out));
	*ret_n = n + n_tail;
	return 0;
}

int seccomp_generate(const struct joey_seccomp *p, struct sock_filter *ret, size_t *ret_n, struct joey_err *err)
{
	autofilter scmp_filter_ctx ctx = NULL;
	autoclose int fd = -EBADF;
	size_t n = 0;
	int r = build(p, &ctx, err);

	if (r < 0)
		return r;
	r = export_to(ctx, &fd, &n, err);
	if (r < 0)
		return r;
	if (pread(fd, ret, n * sizeof(*ret), 0) != (ssize_t)(n * sizeof(*ret)))
		return joey_err_sys(err, EIO, "seccomp: read the filter");
	*ret_n = n;
	return 0;
}

static int compile(const struct joey_seccomp *p, struct seccomp_block **ret, struct joey_err *err)
{
	autofree struct sock_filter *in = calloc(BPF_MAXINSNS, sizeof(*in));
	autofree struct sock_filter *out = calloc(BPF_MAXINSNS, sizeof(*out));
	struct seccomp_block *b;
	size_t n = 0, n_out = 0;
	int r;

	if (!in || !out)
		return joey_err_sys(err, ENOMEM, "seccomp");
	r = seccomp_generate(p, in, &n, err);
	if (r < 0)
		return r;
	r = seccomp_layout(p, in, n, out, &n_out);
	if (r < 0) {
		joey_debug("seccomp: the filter keeps its layout: %s", joey_errno_text(r));
		r = assemble(p, in, n, out, &n_out, err);
		if (r < 0)
			return r;
	}
	b = seccomp_block_new(n_out);
	if (!b)
		return joey_err_sys(err, ENOMEM, "seccomp");
	memcpy(b->file.insns, out, n_out * sizeof(*out));
	b->file.flags = filter_flags(p);
	b->file.notify = p->uses_notify;
	*ret = b;
	return 0;
}

int joey_seccomp_compile(const struct joey_seccomp *profile, int cache_dir_fd, struct joey_seccomp_prog **ret,
			 struct joey_err *err)
{
	struct seccomp_block *b = NULL;
	char key[65];
	int r;

	if (cache_dir_fd >= 0) {
		seccomp_cache_key(profile, key);
		r = seccomp_cache_get(cache_dir_fd, key, &b);
		if (r == 0) {
			seccomp_block_seal(b);
			*ret = &b->prog;
			return 0;
		}
		joey_debug("seccomp cache %s: %s", key, joey_errno_text(r));
	}
	r = compile(profile, &b, err);
	if (r < 0)
		return r;
	if (cache_dir_fd >= 0)
		seccomp_cache_put(cache_dir_fd, key, b);
	seccomp_block_seal(b);
	*ret = &b->prog;
	return 0;
}
