/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_UNIT_H
#define JOEY_UNIT_H

/* What every cmocka test needs, in the order that cmocka.h asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
