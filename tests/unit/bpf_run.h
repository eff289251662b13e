/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_UNIT_BPF_RUN_H
#define JOEY_UNIT_BPF_RUN_H

/* An interpreter of the part of classic BPF that filters use; false: the program is not one of that kind. */

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline bool bpf_run(const struct sock_filter *prog, size_t n, const struct seccomp_data *data, uint32_t *ret)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < n; pc++) {
		const struct sock_filter *f = &prog[pc];
		bool hit = false;

		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (f->k % 4 != 0 || f->k >= sizeof(*data))
				return false;
			memcpy(&a, (const char *)data + f->k, sizeof(a));
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= f->k;
			continue;
		case BPF_JMP | BPF_JA:
			pc += f->k;
			continue;
		case BPF_RET | BPF_K:
			*ret = f->k;
			return true;
		case BPF_JMP | BPF_JEQ | BPF_K:
			hit = a == f->k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			hit = a > f->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			hit = a >= f->k;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			hit = (a & f->k) != 0;
			break;
		default:
			return false;
		}
		pc += hit ? f->jt : f->jf;
	}
	return false;
}

#endif
