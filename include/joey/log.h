/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_LOG_H
#define JOEY_LOG_H

/*
 * Warnings and debug text.  Errors are not logged: they are returned (err.h).
 * The sink is the only mutable global of joey: cli sets it once; a cloned child replaces it by a sink that
 * sends the line to its parent.  With no sink set, lines vanish.
 */

enum joey_log_level { JOEY_LOG_ERROR = 0, JOEY_LOG_WARNING, JOEY_LOG_INFO, JOEY_LOG_DEBUG };

typedef void (*joey_log_sink_fn)(void *arg, enum joey_log_level level, const char *text);

/* Lines above max_level are dropped before they are formatted. */
void joey_log_set_sink(joey_log_sink_fn sink, void *arg, enum joey_log_level max_level);

void joey_log(enum joey_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define joey_warn(...)  joey_log(JOEY_LOG_WARNING, __VA_ARGS__)
#define joey_debug(...) joey_log(JOEY_LOG_DEBUG, __VA_ARGS__)

#endif
