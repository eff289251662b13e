/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's network: loopback, and devices as the host's namespace has them. */
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "agent/agent-internal.h"
#include "joey/json.h"
#include "joey/setup.h"

int agent_loopback_up(void)
{
	autoclose int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { .ifr_name = "lo" };

	if (fd < 0)
		return -errno;
	req.ifr_flags = IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &req) < 0 ? -errno : 0;
}

/* ---- the machine's devices -------------------------------------------------------------------------------------- */

#define CLASS "/sys/class/net"

struct card {
	char name[IFNAMSIZ], mac[18];
};

enum { CARDS_MAX = 16 };

struct cards {
	struct card v[CARDS_MAX];
	size_t n;
};

/* What there is besides (lo, tunnels of modules) has no hardware behind it. */
static int find_cards(struct cards *c)
{
	DIR *dir = opendir(CLASS);
	struct dirent *e;
	char path[300];

	if (!dir)
		return -errno;
	while (c->n < CARDS_MAX && (e = readdir(dir))) {
		if (e->d_name[0] == '.' || strlen(e->d_name) >= IFNAMSIZ)
			continue;
		snprintf(path, sizeof(path), CLASS "/%s/device", e->d_name);
		if (access(path, F_OK) == 0)
			snprintf(c->v[c->n++].name, IFNAMSIZ, "%.15s", e->d_name);
	}
	closedir(dir);
	return 0;
}

static int read_mac(struct card *c)
{
	autofree char *text = NULL;
	char path[64];
	int r;

	snprintf(path, sizeof(path), CLASS "/%s/address", c->name);
	r = joey_read_file_at(AT_FDCWD, path, 0, 4096, &text, NULL);
	if (r == 0)
		snprintf(c->mac, sizeof(c->mac), "%.17s", text);
	return r;
}

static int compare_cards(const void *a, const void *b)
{
	const struct card *x = a, *y = b;

	return strcmp(x->mac, y->mac);
}

/* The first has the lowest address: src/vmm/qemu.c gives them.  What a single one has does not matter. */
static int sort_cards(struct cards *c)
{
	int r = 0;

	if (c->n < 2)
		return 0;
	for (size_t i = 0; r == 0 && i < c->n; i++)
		r = read_mac(&c->v[i]);
	if (r == 0)
		qsort(c->v, c->n, sizeof(c->v[0]), compare_cards);
	return r;
}

/* One that no device of the host stands behind: the container has never seen it. */
static int remove_card(const struct card *c)
{
	char path[64], target[256];
	const char *name;
	ssize_t n;

	snprintf(path, sizeof(path), CLASS "/%s/device", c->name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	name = strrchr(target, '/');
	snprintf(path, sizeof(path), CLASS "/%s/device/driver/unbind", c->name);
	return joey_write_file_at(AT_FDCWD, path, name ? name + 1 : target);
}

/* ---- the request ------------------------------------------------------------------------------------------------ */

static int bad(struct joey_err *err, const char *key)
{
	return joey_err_set(err, JOEY_EK_OTHER, EINVAL, "guest: net: bad or missing \"%s\"", key);
}

static int elements(const struct joey_json *o, const char *key, enum joey_json_type type, const struct joey_json **ret,
		    struct joey_err *err)
{
	const struct joey_json *list = joey_json_get(o, key);

	*ret = NULL;
	if (!list)
		return 0;
	if (list->type != JOEY_JSON_ARRAY)
		return bad(err, key);
	for (size_t i = 0; i < list->u.array.n; i++)
		if (list->u.array.v[i]->type != type)
			return bad(err, key);
	*ret = list;
	return 0;
}

/* Room for what the list says; *ret_n is how many.  NULL and 0 without a list. */
static int room_for(const struct joey_json *list, struct joey_arena *arena, size_t size, void *ret, size_t *ret_n,
		    struct joey_err *err)
{
	void *v = list ? joey_arena_array(arena, list->u.array.n + 1, size) : NULL;

	if (list && !v)
		return joey_err_sys(err, ENOMEM, "guest: net");
	*(void **)ret = v;
	*ret_n = list ? list->u.array.n : 0;
	return 0;
}

static int number(const struct joey_json *o, const char *key, uint32_t max, uint32_t *ret, struct joey_err *err)
{
	uint64_t v = 0;
	int r = joey_json_get_u64(o, key, &v);

	if ((r < 0 && r != -ENOENT) || v > max)
		return bad(err, key);
	*ret = (uint32_t)v;
	return 0;
}

static int take_addresses(const struct joey_json *o, struct joey_arena *arena, struct joey_net_setup *n,
			  struct joey_err *err)
{
	struct joey_net_address *v = NULL;
	const struct joey_json *list;
	int r = elements(o, "addresses", JOEY_JSON_OBJECT, &list, err);

	if (r == 0)
		r = room_for(list, arena, sizeof(*v), &v, &n->n_addresses, err);
	for (size_t i = 0; r == 0 && i < n->n_addresses; i++) {
		const struct joey_json *a = list->u.array.v[i];

		v[i] = (struct joey_net_address){ .local = joey_json_get_string(a, "local"),
						  .peer = joey_json_get_string(a, "peer"),
						  .broadcast = joey_json_get_string(a, "broadcast") };
		if (!v[i].local)
			return bad(err, "addresses");
		r = number(a, "scope", 255, &v[i].scope, err);
		if (r == 0)
			r = number(a, "flags", UINT32_MAX, &v[i].flags, err);
		if (r == 0)
			r = number(a, "metric", UINT32_MAX, &v[i].metric, err);
	}
	n->addresses = v;
	return r;
}

static int take_hops(const struct joey_json *o, struct joey_arena *arena, struct joey_net_route *n,
		     struct joey_err *err)
{
	struct joey_net_hop *v = NULL;
	const struct joey_json *list;
	int r = elements(o, "hops", JOEY_JSON_OBJECT, &list, err);

	if (r == 0)
		r = room_for(list, arena, sizeof(*v), &v, &n->n_hops, err);
	for (size_t i = 0; r == 0 && i < n->n_hops; i++) {
		const struct joey_json *h = list->u.array.v[i];
		uint32_t device = 0;
		int got;

		v[i] = (struct joey_net_hop){ .via = joey_json_get_string(h, "via") };
		got = joey_json_get_bool(h, "onlink", &v[i].onlink);
		if (got < 0 && got != -ENOENT)
			return bad(err, "onlink");
		r = number(h, "device", JOEY_NET_DEVICES_MAX - 1, &device, err);
		if (r == 0)
			r = number(h, "weight", 255, &v[i].weight, err);
		v[i].device = device;
	}
	n->hops = v;
	return r == 0 && n->n_hops == 0 ? bad(err, "hops") : r;
}

static int take_routes(const struct joey_json *o, struct joey_arena *arena, const struct joey_net_route **ret,
		       size_t *ret_n, struct joey_err *err)
{
	struct joey_net_route *v = NULL;
	const struct joey_json *list;
	int r = elements(o, "routes", JOEY_JSON_OBJECT, &list, err);

	if (r == 0)
		r = room_for(list, arena, sizeof(*v), &v, ret_n, err);
	for (size_t i = 0; r == 0 && i < *ret_n; i++) {
		const struct joey_json *route = list->u.array.v[i];

		v[i] = (struct joey_net_route){ .to = joey_json_get_string(route, "to"),
						.src = joey_json_get_string(route, "src") };
		if (!v[i].to)
			return bad(err, "routes");
		r = number(route, "scope", 255, &v[i].scope, err);
		if (r == 0)
			r = number(route, "metric", UINT32_MAX, &v[i].metric, err);
		if (r == 0)
			r = number(route, "mtu", UINT32_MAX, &v[i].mtu, err);
		if (r == 0)
			r = take_hops(route, arena, &v[i], err);
	}
	*ret = v;
	return r;
}

static int take_neighbours(const struct joey_json *o, struct joey_arena *arena, struct joey_net_setup *n,
			   struct joey_err *err)
{
	struct joey_net_neighbour *v = NULL;
	const struct joey_json *list;
	int r = elements(o, "neighbours", JOEY_JSON_OBJECT, &list, err);

	if (r == 0)
		r = room_for(list, arena, sizeof(*v), &v, &n->n_neighbours, err);
	for (size_t i = 0; r == 0 && i < n->n_neighbours; i++) {
		v[i] = (struct joey_net_neighbour){ joey_json_get_string(list->u.array.v[i], "to"),
						    joey_json_get_string(list->u.array.v[i], "lladdr") };
		if (!v[i].to || !v[i].lladdr)
			return bad(err, "neighbours");
	}
	n->neighbours = v;
	return r;
}

static int take_device(const struct joey_json *o, struct joey_arena *arena, struct joey_net_setup *n,
		       struct joey_err *err)
{
	int r;

	n->name = joey_json_get_string(o, "device");
	n->mac = joey_json_get_string(o, "mac");
	if (!n->name || !n->name[0] || strlen(n->name) >= IFNAMSIZ)
		return bad(err, "device");
	r = number(o, "mtu", 65535, &n->mtu, err);
	if (r == 0)
		r = take_addresses(o, arena, n, err);
	return r < 0 ? r : take_neighbours(o, arena, n, err);
}

int agent_net_parse(const struct joey_json *o, struct joey_arena *arena, struct agent_net_request *ret,
		    struct joey_err *err)
{
	const struct joey_json *list;
	int r = elements(o, "devices", JOEY_JSON_OBJECT, &list, err);

	*ret = (struct agent_net_request){ .n = 0 };
	if (r == 0 && (!list || list->u.array.n > JOEY_ARRAY_SIZE(ret->devices)))
		r = bad(err, "devices");
	for (size_t i = 0; r == 0 && i < list->u.array.n; i++)
		r = take_device(list->u.array.v[i], arena, &ret->devices[ret->n++], err);
	return r < 0 ? r : take_routes(o, arena, &ret->routes, &ret->n_routes, err);
}

static int configure(struct agent_net_request *q, struct joey_err *err)
{
	struct cards cards = { .n = 0 };
	int r = find_cards(&cards);

	if (r == 0)
		r = sort_cards(&cards);
	if (r < 0)
		return joey_err_sys(err, r, "guest: find the network devices");
	if (cards.n < q->n)
		return joey_err_set(err, JOEY_EK_OTHER, ENODEV, "guest: net: %zu devices for %zu of the host's",
				    cards.n, q->n);
	for (size_t i = q->n; i < cards.n; i++) {
		r = remove_card(&cards.v[i]);
		if (r < 0)
			return joey_err_sys(err, r, "guest: net: remove %s", cards.v[i].name);
	}
	for (size_t i = 0; i < q->n; i++)
		q->devices[i].current = cards.v[i].name;
	return joey_net_configure(q->devices, q->n, q->routes, q->n_routes, err) < 0 ? joey_err_wrap(err, "guest: net")
										     : 0;
}

int agent_net(const struct joey_json *request, struct joey_err *err)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct agent_net_request q;
	int r = agent_net_parse(request, &arena, &q, err);

	if (r == 0)
		r = configure(&q, err);
	joey_arena_done(&arena);
	return r;
}
