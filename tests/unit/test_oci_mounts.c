/* SPDX-License-Identifier: Apache-2.0 */
/* oci: mounts[], the option compiler, id mappings of mounts. */
#include "oci_test.h"

#include <linux/mount.h>
#include <sys/mount.h>

#define BEFORE   "{" BASE "," IN_MNT ",\"mounts\":[{"
#define IN_MNT   "\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]}"
#define AFTER    "}]}"
#define TMPFS    "\"destination\":\"/a\",\"type\":\"tmpfs\""
#define BIND     "\"destination\":\"/a\",\"source\":\"/b\",\"options\":[\"rbind\""
#define MAP(key) "\"" key "\":[{\"containerID\":0,\"hostID\":1000,\"size\":10}]"

static const struct oci_case cases[] = {
	{ TMPFS, NULL },
	{ TMPFS ",\"options\":[\"mode=755\",\"size=1k\",\"acl\"]", NULL },
	{ "\"type\":\"tmpfs\"", "mounts[0].destination: must be given" },
	{ "\"destination\":\"\",\"type\":\"tmpfs\"", "mounts[0].destination: must be given" },
	{ "\"destination\":\"/\",\"type\":\"tmpfs\"",
	  "mounts[0].destination: mounting over the container's root \"/\" is not supported" },
	{ "\"destination\":\"/a/..//./\",\"type\":\"tmpfs\"",
	  "mounts[0].destination: mounting over the container's root \"/\" is not supported" },
	{ "\"destination\":\"/../../\",\"type\":\"tmpfs\"",
	  "mounts[0].destination: mounting over the container's root \"/\" is not supported" },
	{ "\"destination\":\"/..a\",\"type\":\"tmpfs\"", NULL },
	{ "\"destination\":\"/a\"", "mounts[0].type: must be given unless the options hold \"bind\" or \"rbind\"" },
	{ "\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"/b\",\"options\":[\"ro\"]",
	  "mounts[0].options: a mount of type \"bind\" needs the option \"bind\" or \"rbind\"" },
	{ "\"destination\":\"/a\",\"options\":[\"bind\"]", "mounts[0].source: must be given for a bind mount" },
	{ BIND "]", NULL },
	{ BIND ",\"ro\",\"rprivate\",\"nosuid\",\"copy-symlink\",\"rro\",\"defaults\"]", NULL },
	{ BIND ",\"size=1k\"]",
	  "mounts[0].options: bind mounts cannot have any filesystem-specific options applied (\"size=1k\")" },
	{ BIND ",\"tmpcopyup\"]", "mounts[0].options: tmpcopyup is for mounts of type tmpfs only" },
	{ "\"destination\":\"/a\",\"type\":\"proc\",\"options\":[\"tmpcopyup\"]",
	  "mounts[0].options: tmpcopyup is for mounts of type tmpfs only" },
	{ TMPFS ",\"options\":[\"tmpcopyup\"]", NULL },
	{ TMPFS ",\"options\":[\"copy-symlink\"]",
	  "mounts[0].options: copy-symlink and src-nofollow are for bind mounts only" },
	{ TMPFS ",\"options\":[\"shared\",\"slave\",\"shared\",\"slave\",\"shared\",\"slave\",\"shared\",\"slave\","
		"\"private\"]",
	  "mounts[0].options: invalid mount option \"private\"" },
	{ TMPFS ",\"options\":[1]", "mounts[0].options[0]: must be a string" },
	{ TMPFS ",\"options\":\"ro\"", "mounts[0].options: must be an array" },
	{ TMPFS ",\"options\":null,\"source\":null,\"uidMappings\":null", NULL },
	{ TMPFS ",\"unknown\":1", NULL },
	{ "\"destination\":\"/a\\u0000\",\"type\":\"tmpfs\"", "string contains a NUL character at byte *" },
};

static const struct oci_case idmaps[] = {
	{ BIND ",\"idmap\"]," MAP("uidMappings") "," MAP("gidMappings"), NULL },
	{ BIND "]," MAP("uidMappings") "," MAP("gidMappings"), NULL },
	{ BIND "]," MAP("uidMappings"), "mounts[0]: id-mapped mounts must have both uid and gid mappings specified" },
	{ BIND ",\"idmap\"]," MAP("gidMappings"),
	  "mounts[0]: id-mapped mounts must have both uid and gid mappings specified" },
	{ BIND ",\"ridmap\"]", "mounts[0]: id-mapped mounts must have both uid and gid mappings specified" },
	{ TMPFS ",\"options\":[\"idmap\"]", "mounts[0]: id-mapped mounts are only supported for bind-mounts" },
	{ TMPFS "," MAP("uidMappings") "," MAP("gidMappings"),
	  "mounts[0]: id-mapped mounts are only supported for bind-mounts" },
	{ BIND ",\"idmap=uids=0-1-2;gids=0-1-2\"]", NULL },
	{ BIND ",\"idmap=uids=0-1-2\"]", "mounts[0].options: invalid mount option \"idmap=uids=0-1-2\"" },
	{ BIND ",\"idmap=uids=0-1;gids=0-1-2\"]",
	  "mounts[0].options: invalid mount option \"idmap=uids=0-1;gids=0-1-2\"" },
	{ BIND ",\"idmap=\"]", "mounts[0].options: invalid mount option \"idmap=\"" },
	{ BIND ",\"idmap=uids=0-1-2;gids=0-1-2\"]," MAP("uidMappings") "," MAP("gidMappings"),
	  "mounts[0].options: id mappings are given twice, by the option and by the mount" },
	{ BIND ",\"idmap=uids=@0-1-2;gids=0-1-2\"]",
	  "mounts[0].options: idmap: no mapping of the user namespace holds id 1" },
	{ BIND "],\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":0}]",
	  "mounts[0].uidMappings[0].size: must be larger than zero" },
	{ BIND "],\"gidMappings\":[{\"containerID\":2,\"hostID\":1,\"size\":4294967294}]",
	  "mounts[0].gidMappings[0]: the range of ids goes beyond 4294967294" },
};

static void test_cases(void **state)
{
	(void)state;
	CHECK_CASES(BEFORE, idmaps, AFTER);
	CHECK_CASES(BEFORE, cases, AFTER);
}

static void test_too_many_idmaps(void **state)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	struct oci_case c = { NULL, "mounts[0].uidMappings: more than 340 id mappings" };

	(void)state;
	joey_str_add(&s, BIND "],\"uidMappings\":[");
	for (unsigned i = 0; i < 341; i++)
		joey_str_printf(&s, "%s{\"containerID\":%u,\"hostID\":%u,\"size\":1}", i ? "," : "", i, i);
	joey_str_add(&s, "]");
	c.json = s.buf;
	check_case(BEFORE, &c, AFTER);
}

static void test_relative_destination(void **state)
{
	struct warnings w = { 0 };
	struct joey_config *c;

	(void)state;
	joey_log_set_sink(note_warning, &w, JOEY_LOG_WARNING);
	c = parse_good(BEFORE, "\"destination\":\"a/b\",\"type\":\"tmpfs\"", AFTER);
	joey_log_set_sink(NULL, NULL, JOEY_LOG_WARNING);
	assert_int_equal(w.n, 1);
	assert_non_null(strstr(w.last, "**deprecated**"));
	assert_string_equal(c->mounts[0].destination, "/a/b");
	joey_config_free(c);
}

static void test_mapping_implies_idmap(void **state)
{
	struct joey_config *c = parse_good(BEFORE, BIND "]," MAP("uidMappings") "," MAP("gidMappings"), AFTER);

	(void)state;
	assert_true(c->mounts[0].opts->idmap);
	assert_false(c->mounts[0].opts->ridmap);
	assert_int_equal(c->mounts[0].uid_mappings.v[0].host_id, 1000);
	joey_config_free(c);
}

/* crun's text form, relative to the user namespace */
static void test_idmap_text(void **state)
{
	struct joey_config *c =
		parse_good("{" BASE ",\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"user\"}],"
			   "\"uidMappings\":[{\"containerID\":0,\"hostID\":100000,\"size\":100}],"
			   "\"gidMappings\":[{\"containerID\":0,\"hostID\":200000,\"size\":100}]},\"mounts\":[{",
			   BIND ",\"ridmap=uids=@0-10-5#7-20-1;gids=3-4-5\"]", AFTER);
	const struct joey_mount *m = &c->mounts[0];

	(void)state;
	assert_true(m->opts->idmap && m->opts->ridmap);
	assert_int_equal(m->uid_mappings.n, 2);
	assert_int_equal(m->uid_mappings.v[0].host_id, 100010);
	assert_int_equal(m->uid_mappings.v[0].size, 5);
	assert_int_equal(m->uid_mappings.v[1].container_id, 7);
	assert_int_equal(m->uid_mappings.v[1].host_id, 100020);
	assert_int_equal(m->gid_mappings.v[0].host_id, 4);
	joey_config_free(c);
}

static void test_idmap_of_userns(void **state)
{
	struct joey_config *c = parse_good(
		"{" BASE ",\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"user\",\"path\":\"/p\"}]},"
		"\"mounts\":[{",
		BIND ",\"idmap\"]", AFTER);

	(void)state;
	assert_true(c->mounts[0].opts->idmap);
	assert_int_equal(c->mounts[0].uid_mappings.n, 0);
	joey_config_free(c);
}

/* ---- the compiler ---------------------------------------------------------------------------------------------- */

struct compiled {
	const char *options; /* separated by blanks */
	struct joey_mount_opts expect;
};

#define A(x) MOUNT_ATTR_##x

static const struct compiled compiled[] = {
	{ "", { 0 } },
	{ "defaults", { 0 } },
	{ "norelatime rnorelatime", { 0 } },
	{ "ro", { .attr_set = A(RDONLY) } },
	{ "rw", { .attr_clear = A(RDONLY) } },
	{ "ro rw", { .attr_clear = A(RDONLY) } },
	{ "rw ro", { .attr_set = A(RDONLY) } },
	{ "nosuid nodev noexec", { .attr_set = A(NOSUID) | A(NODEV) | A(NOEXEC) } },
	{ "nosuid nodev noexec suid dev exec", { .attr_clear = A(NOSUID) | A(NODEV) | A(NOEXEC) } },
	{ "nosymfollow", { .attr_set = 0x200000 } },
	{ "symfollow", { .attr_clear = 0x200000 } },
	{ "noatime", { .attr_set = A(NOATIME), .attr_clear = A(_ATIME) } },
	{ "noatime strictatime", { .attr_set = A(STRICTATIME), .attr_clear = A(_ATIME) } },
	{ "strictatime noatime ro", { .attr_set = A(NOATIME) | A(RDONLY), .attr_clear = A(_ATIME) } },
	{ "noatime relatime", { .attr_clear = A(_ATIME) } },
	{ "noatime atime", { .attr_clear = A(_ATIME) } },
	{ "strictatime nostrictatime", { .attr_clear = A(_ATIME) } },
	{ "nodiratime", { .attr_set = A(NODIRATIME) } },
	{ "nodiratime diratime", { .attr_clear = A(NODIRATIME) } },
	{ "rro", { .rattr_set = A(RDONLY) } },
	{ "rro rrw", { .rattr_clear = A(RDONLY) } },
	{ "rnosuid rnodev rnoexec rnodiratime rnosymfollow",
	  { .rattr_set = A(NOSUID) | A(NODEV) | A(NOEXEC) | A(NODIRATIME) | 0x200000 } },
	{ "rsuid rdev rexec rdiratime rsymfollow",
	  { .rattr_clear = A(NOSUID) | A(NODEV) | A(NOEXEC) | A(NODIRATIME) | 0x200000 } },
	{ "rnoatime", { .rattr_set = A(NOATIME), .rattr_clear = A(_ATIME) } },
	{ "rstrictatime", { .rattr_set = A(STRICTATIME), .rattr_clear = A(_ATIME) } },
	{ "rnoatime ratime", { .rattr_clear = A(_ATIME) } },
	{ "rrelatime", { .rattr_clear = A(_ATIME) } },
	{ "rstrictatime rnostrictatime", { .rattr_clear = A(_ATIME) } },
	{ "sync dirsync mand lazytime iversion silent",
	  { .sb_set = MS_SYNCHRONOUS | MS_DIRSYNC | MS_MANDLOCK | MS_I_VERSION | MS_SILENT | (1 << 25) } },
	{ "sync async nomand nolazytime noiversion loud",
	  { .sb_clear = MS_SYNCHRONOUS | MS_MANDLOCK | MS_I_VERSION | MS_SILENT | (1 << 25) } },
	{ "bind", { .bind = true } },
	{ "rbind", { .bind = true, .rbind = true } },
	{ "remount bind", { .bind = true, .remount = true } },
	{ "idmap", { .idmap = true } },
	{ "ridmap", { .idmap = true, .ridmap = true } },
	{ "ridmap idmap", { .idmap = true } },
	{ "tmpcopyup copy-symlink src-nofollow dest-nofollow",
	  { .tmpcopyup = true, .copy_symlink = true, .src_nofollow = true, .dest_nofollow = true } },
};

static size_t split(char *text, char **words, size_t max)
{
	size_t n = 0;
	char *save = NULL;

	for (char *w = strtok_r(text, " ", &save); w && n < max; w = strtok_r(NULL, " ", &save))
		words[n++] = w;
	return n;
}

static void assert_opts(const char *what, const struct joey_mount_opts *o, const struct joey_mount_opts *e)
{
	print_message("%s\n", what);
	assert_int_equal(o->attr_set, e->attr_set);
	assert_int_equal(o->attr_clear, e->attr_clear);
	assert_int_equal(o->rattr_set, e->rattr_set);
	assert_int_equal(o->rattr_clear, e->rattr_clear);
	assert_int_equal(o->sb_set, e->sb_set);
	assert_int_equal(o->sb_clear, e->sb_clear);
	assert_int_equal(o->bind, e->bind);
	assert_int_equal(o->rbind, e->rbind);
	assert_int_equal(o->remount, e->remount);
	assert_int_equal(o->tmpcopyup, e->tmpcopyup);
	assert_int_equal(o->idmap, e->idmap);
	assert_int_equal(o->ridmap, e->ridmap);
	assert_int_equal(o->copy_symlink, e->copy_symlink);
	assert_int_equal(o->src_nofollow, e->src_nofollow);
	assert_int_equal(o->dest_nofollow, e->dest_nofollow);
	assert_int_equal(o->data.n, 0);
}

static void test_compiler(void **state)
{
	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(compiled); i++) {
		struct joey_arena arena = JOEY_ARENA_INIT;
		struct joey_mount_opts *o = NULL;
		const char *bad = NULL;
		char text[256];
		char *words[16];
		size_t n;

		snprintf(text, sizeof(text), "%s", compiled[i].options);
		n = split(text, words, JOEY_ARRAY_SIZE(words));
		assert_int_equal(joey_mount_opts_compile(&arena, words, n, &o, &bad), 0);
		assert_opts(compiled[i].options, o, &compiled[i].expect);
		joey_arena_done(&arena);
	}
}

static void test_compiler_data(void **state)
{
	char *options[] = { (char[]){ "size=1k" }, (char[]){ "ro" }, (char[]){ "acl" }, (char[]){ "" },
			    (char[]){ "context=\"a:b,c\"" } };
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct joey_mount_opts *o = NULL;
	const char *bad = NULL;

	(void)state;
	assert_int_equal(joey_mount_opts_compile(&arena, options, JOEY_ARRAY_SIZE(options), &o, &bad), 0);
	assert_int_equal(o->data.n, 3);
	assert_string_equal(o->data.v[0], "size=1k");
	assert_string_equal(o->data.v[1], "acl");
	assert_string_equal(o->data.v[2], "context=\"a:b,c\"");
	assert_null(o->data.v[3]);
	joey_arena_done(&arena);
}

static void test_compiler_propagation(void **state)
{
	char *options[] = { (char[]){ "rslave" }, (char[]){ "shared" }, (char[]){ "unbindable" },
			    (char[]){ "rprivate" } };
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct joey_mount_opts *o = NULL;
	const char *bad = NULL;

	(void)state;
	assert_int_equal(joey_mount_opts_compile(&arena, options, JOEY_ARRAY_SIZE(options), &o, &bad), 0);
	assert_int_equal(o->n_propagation, 4);
	assert_true(o->propagation[0].type == MS_SLAVE && o->propagation[0].recursive);
	assert_true(o->propagation[1].type == MS_SHARED && !o->propagation[1].recursive);
	assert_true(o->propagation[2].type == MS_UNBINDABLE && !o->propagation[2].recursive);
	assert_true(o->propagation[3].type == MS_PRIVATE && o->propagation[3].recursive);
	joey_arena_done(&arena);
}

/* Bisection needs the order; every listed name must be one that the compiler takes. */
static void test_names(void **state)
{
	const char *const *names = joey_mount_opts_names();

	(void)state;
	for (size_t i = 0; names[i]; i++) {
		struct joey_arena arena = JOEY_ARENA_INIT;
		struct joey_mount_opts *o = NULL;
		const char *bad = NULL;
		char word[32];
		char *options[] = { word };

		if (i > 0)
			assert_true(strcmp(names[i - 1], names[i]) < 0);
		snprintf(word, sizeof(word), "%s", names[i]);
		assert_int_equal(joey_mount_opts_compile(&arena, options, 1, &o, &bad), 0);
		assert_int_equal(o->data.n, 0);
		joey_arena_done(&arena);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_too_many_idmaps),
		cmocka_unit_test(test_relative_destination),
		cmocka_unit_test(test_mapping_implies_idmap),
		cmocka_unit_test(test_idmap_text),
		cmocka_unit_test(test_idmap_of_userns),
		cmocka_unit_test(test_compiler),
		cmocka_unit_test(test_compiler_data),
		cmocka_unit_test(test_compiler_propagation),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("oci mounts", tests, NULL, NULL);
}
