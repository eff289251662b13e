/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_SDBUS_H
#define JOEY_SDBUS_H

/*
 * Between joey and joey-sd-bus, the program that talks to systemd (src/sdbus).  joey is static and there is no
 * static libsystemd; and a program that is not started costs nothing.
 *
 *     joey-sd-bus [--address ADDRESS] [--timeout-ms N] system | user UID
 *
 * Its standard input is one end of an AF_UNIX SEQPACKET pair.  One message is one request or reply, text in lines,
 * at most JOEY_SDBUS_MESSAGE_MAX bytes:
 *
 *     request                                     reply when it succeeded
 *     where                                       ok <control group of the manager>
 *     start <unit> \n <Name>=<value> \n ...       ok <control group of the unit>
 *     set <unit> \n <Name>=<value> \n ...         ok
 *     attach <unit> \n <pid> [\n /<below it>]     ok
 *     stop <unit>                                 ok      (also when there is no such unit)
 *
 * Any reply may be "error <errno> <text>".  Values are GVariant text (joey/gvariant.h).  Where PIDs=[uint32 0] is
 * among the properties, joey-sd-bus itself becomes the scope's first process, and holds the scope until the
 * socket's other end is closed or the program is killed: so joey can clone the container's first process into it.
 *
 * --address is for tests; joey never gives it.
 */

#define JOEY_SDBUS_PROGRAM     "joey-sd-bus"
#define JOEY_SDBUS_MESSAGE_MAX (128u << 10)
#define JOEY_SDBUS_TIMEOUT_MS  30000u /* joey's patience for one request; then the program is killed */
#define JOEY_SDBUS_MARGIN_MS   2000u  /* by which joey-sd-bus gives up earlier: it knows what it waits for */

#endif
