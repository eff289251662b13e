/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every key of joey.conf(5), one row each.  tests/style/man.sh reads the rows and wants a paragraph in the manual page
 * for each.
 */
#include "conf/conf-internal.h"

static const char *const managers[] = { "cgroupfs", "systemd", "disabled", NULL };
static const char *const formats[] = { "text", "json", NULL };
static const char *const levels[] = { "", "warning", "debug", NULL };
static const char *const tristate[] = { "true", "false", "auto", NULL };
static const char *const ways[] = { "option", "program", "annotation", "config", NULL };
static const char *const isolations[] = { "normal", "vm", NULL };
static const char *const without_kvm[] = { "compat", "refuse", "normal", NULL };
static const char *const trust[] = { "shared", "container", NULL };
static const char *const switches[] = { "on", "off", NULL };
static const char *const shares[] = { "", "9p", "block", NULL };
static const char *const networks[] = { "", "none", "tap", NULL };
static const char *const network_devices[] = { "", "1", "4", NULL };

enum { VCPUS_MAX = 1024 };
#define MIB      ((uint64_t)1 << 20)
#define SIZE_TOP ((uint64_t)1 << 46)

/* clang-format off */
#define RUNTIME(key, type, member, ...) { "runtime", key, type, offsetof(struct joey_conf, runtime.member), __VA_ARGS__ }
#define SANDBOX(key, type, member, ...) { "sandbox", key, type, offsetof(struct joey_conf, sandbox.member), __VA_ARGS__ }
#define PROFILE(key, type, member, ...) { "profile", key, type, offsetof(struct joey_conf_profile, member), __VA_ARGS__ }

const struct conf_key conf_keys[] = {
	RUNTIME("root", CONF_PATH, root, NULL, 0, 0),
	RUNTIME("cgroup_manager", CONF_TEXT, cgroup_manager, managers, 0, 0),
	RUNTIME("log", CONF_DEST, log, NULL, 0, 0),
	RUNTIME("log_format", CONF_TEXT, log_format, formats, 0, 0),
	RUNTIME("log_level", CONF_WORD, log_level, levels, 0, 0),
	RUNTIME("rootless", CONF_TEXT, rootless, tristate, 0, 0),
	SANDBOX("allow", CONF_WORDS, allow, ways, 0, 0),
	SANDBOX("default", CONF_WORD, isolation, isolations, 0, 0),
	SANDBOX("without_kvm", CONF_WORD, without_kvm, without_kvm, 0, 0),
	SANDBOX("template_trust", CONF_WORD, trust, trust, 0, 0),
	SANDBOX("profile", CONF_NAME, profile, NULL, 0, 0),
	SANDBOX("profiles_allowed", CONF_NAMES, profiles_allowed, NULL, 0, 0),
	SANDBOX("kernel_dirs", CONF_PATHS, kernel_dirs, NULL, 0, 0),
	SANDBOX("hypervisor_dirs", CONF_PATHS, hypervisor_dirs, NULL, 0, 0),
	SANDBOX("image_dirs", CONF_PATHS, image_dirs, NULL, 0, 0),
	SANDBOX("max_vcpus", CONF_COUNT, max_vcpus, NULL, 1, VCPUS_MAX),
	SANDBOX("max_memory", CONF_SIZE, max_memory, NULL, MIB, SIZE_TOP),
	SANDBOX("fork", CONF_WORD, fork, switches, 0, 0),
	PROFILE("memory", CONF_SIZE, memory, NULL, MIB, SIZE_TOP),
	PROFILE("vcpus", CONF_COUNT, vcpus, NULL, 1, VCPUS_MAX),
	PROFILE("kernel", CONF_PATH, kernel, NULL, 0, 0),
	PROFILE("initramfs", CONF_PATH, initramfs, NULL, 0, 0),
	PROFILE("hypervisor", CONF_PATH, hypervisor, NULL, 0, 0),
	PROFILE("share", CONF_WORD, share, shares, 0, 0),
	PROFILE("network", CONF_WORD, network, networks, 0, 0),
	PROFILE("network_devices", CONF_WORD, network_devices, network_devices, 0, 0),
};
/* clang-format on */
const size_t conf_n_keys = JOEY_ARRAY_SIZE(conf_keys);

bool conf_section_known(const char *section)
{
	for (size_t i = 0; i < conf_n_keys; i++)
		if (joey_streq(conf_keys[i].section, section))
			return true;
	return false;
}

const struct conf_key *conf_key_find(const char *section, const char *key)
{
	for (size_t i = 0; i < conf_n_keys; i++)
		if (joey_streq(conf_keys[i].section, section) && joey_streq(conf_keys[i].key, key))
			return &conf_keys[i];
	return NULL;
}
