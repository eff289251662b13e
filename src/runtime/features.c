/* SPDX-License-Identifier: Apache-2.0 */
/* features: the document is src/oci's; here is what it says of sandboxes, as annotations, which is where it lets a
 * runtime say more. */
#include "runtime/runtime-internal.h"

static void sandboxes(joey_say_fn say, void *arg)
{
	const struct joey_backend *be = joey_backend_isolating();

	say(arg, "io.joey.sandbox.supported", be ? "true" : "false");
	if (!be)
		return;
	say(arg, "io.joey.sandbox.kinds", be->name);
	say(arg, "io.joey.sandbox.annotations", rt_annotations);
	if (be->features)
		be->features(say, arg);
	say(arg, "io.joey.sandbox.checkpoint.enabled", be->checkpoint ? "true" : "false");
}

int joey_rt_features(const char *version, const char *commit, char **ret, struct joey_err *err)
{
	return joey_features(version, commit, sandboxes, ret, err);
}
