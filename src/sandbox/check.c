/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What joey check and joey features say of sandboxes.  A host that cannot run them runs normal containers all the same,
 * so nothing here is worse than "limited".  Whether KVM can be used is asked at most once each boot.
 */
#include <string.h>
#include <unistd.h>

#include "sandbox/sandbox-internal.h"

#define AREA         "sandbox"
#define NO_SANDBOXES "there are no sandboxed containers"

/* ---- features --------------------------------------------------------------------------------------------------- */

void vm_features(joey_say_fn say, void *arg)
{
	autofree char *hypervisor = NULL, *kernel = NULL, *initramfs = NULL;
	enum joey_accel accel;

	if (joey_vmm_accel_known(&accel)) {
		say(arg, "io.joey.sandbox.accelerator", joey_accel_to_string(accel));
		say(arg, "io.joey.sandbox.isolation", vm_isolation(accel));
	}
	if (joey_vmm_find_hypervisor(NULL, &hypervisor, NULL) == 0)
		say(arg, "io.joey.sandbox.hypervisor", hypervisor);
	if (joey_vmm_find_guest(&kernel, &initramfs, NULL) == 0)
		say(arg, "io.joey.sandbox.kernel", kernel);
	say(arg, "io.joey.sandbox.network", "none tap");
	say(arg, "io.joey.sandbox.share", "9p");
}

/* ---- check ------------------------------------------------------------------------------------------------------ */

static int add(struct joey_findings *f, const char *name, const char *cost, const char *detail)
{
	return joey_findings_add(f, AREA, name, cost ? JOEY_FINDING_LIMITED : JOEY_FINDING_OK, cost, "%s", detail);
}

static int check_kvm(struct joey_findings *f, enum joey_accel *ret)
{
	autoclose int cache = joey_vmm_cache_open();
	autofree char *why = NULL;

	*ret = joey_vmm_accel(cache, &why);
	if (*ret == JOEY_ACCEL_KVM)
		return add(f, "KVM", NULL, "usable");
	return add(f, "KVM", "sandboxed containers run under emulation: slower, and isolated by a weaker promise",
		   why && *why ? why : "not usable");
}

static int check_hypervisor(struct joey_findings *f, bool *can)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autofree char *path = NULL;

	if (joey_vmm_find_hypervisor(NULL, &path, &err) == 0)
		return add(f, "hypervisor", NULL, path);
	*can = false;
	return add(f, "hypervisor", NO_SANDBOXES, joey_err_text(&err));
}

static int check_guest(struct joey_findings *f, bool *can)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autofree char *kernel = NULL, *initramfs = NULL;

	if (joey_vmm_find_guest(&kernel, &initramfs, &err) == 0)
		return add(f, "guest", NULL, kernel);
	*can = false;
	return add(f, "guest", NO_SANDBOXES " but with a kernel and initramfs that joey.conf names",
		   joey_err_text(&err));
}

static int check_template(struct joey_findings *f)
{
	static const char cost[] = "the first container of a kind makes one, which takes seconds";
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_vmm_template *v = NULL;
	size_t n = 0, good = 0;
	char text[48];

	if (joey_vmm_template_list(&v, &n, &err) < 0)
		return add(f, "template", cost, joey_err_text(&err));
	for (size_t i = 0; i < n; i++)
		good += !v[i].why;
	joey_vmm_templates_free(v, n);
	snprintf(text, sizeof(text), "%zu ready, %zu bad", good, n - good);
	return add(f, "template", good ? NULL : cost, text);
}

static int check_network(struct joey_findings *f)
{
	bool tun = access("/dev/net/tun", R_OK | W_OK) == 0;

	return add(f, "network", tun ? NULL : "a sandboxed container has no network but its loopback device",
		   tun ? "/dev/net/tun" : "/dev/net/tun cannot be used");
}

static int check_all(struct joey_findings *f, bool can, enum joey_accel accel)
{
	if (geteuid() != 0 || joey_in_userns())
		return add(f, "containers", NO_SANDBOXES " for this user", "only the host's root can sandbox them");
	if (!can)
		return add(f, "containers", NO_SANDBOXES, "cannot be sandboxed: see above");
	if (accel != JOEY_ACCEL_KVM)
		return add(f, "containers", "isolation is \"compat\"", "can be sandboxed, under emulation");
	return add(f, "containers", NULL, "can be sandboxed, with KVM");
}

int vm_check(struct joey_findings *f)
{
	enum joey_accel accel;
	bool can = true;
	int r = check_kvm(f, &accel);

	if (r == 0)
		r = check_hypervisor(f, &can);
	if (r == 0)
		r = check_guest(f, &can);
	if (r == 0)
		r = check_template(f);
	if (r == 0)
		r = check_network(f);
	return r < 0 ? r : check_all(f, can, accel);
}
