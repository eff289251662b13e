/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_STATE_INTERNAL_H
#define JOEY_STATE_INTERNAL_H

#include "joey/container.h"

#define STATE_FILE     "state.json"
#define CONFIG_FILE    "config.json"
#define RESOURCES_FILE "resources.json"

/* Annotations are copied from config.json, and may grow by escaping. */
#define STATE_MAX_BYTES (JOEY_CONFIG_MAX_BYTES * 2)

/* One line of JSON, heap. */
int state_encode(const struct joey_state *st, char **ret, size_t *ret_len, struct joey_err *err);

/* The text is as hostile as anything from a disk. Strings of *ret are in the arena; *ret is written on success only. */
int state_decode(const char *text, size_t len, const char *id, struct joey_arena *arena, struct joey_state *ret,
		 struct joey_err *err);

/* Empties the directory, without following anything. */
int state_empty_dir(int dir_fd);

#endif
