/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_UTIL_JSON_INTERNAL_H
#define JOEY_UTIL_JSON_INTERNAL_H

#include <stddef.h>

/* Length of the longest prefix that is well-formed UTF-8 (Unicode table 3-7: no overlongs, no surrogates). */
size_t json_utf8_span(const char *text, size_t len);

#endif
