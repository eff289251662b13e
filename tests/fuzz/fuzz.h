/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_TESTS_FUZZ_H
#define JOEY_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that must hold for every input; the fuzzer keeps the input that breaks it. */
#define FUZZ_ASSERT(cond)        \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

#endif
