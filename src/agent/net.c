/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's network: loopback, and one device as the host's namespace had it. */
#include <dirent.h>
#include <net/if.h>
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

/* The machine has one network device; what else there is (lo, tunnels of modules) has no hardware behind it. */
static int find_device(char ret[IFNAMSIZ])
{
	DIR *dir = opendir("/sys/class/net");
	struct dirent *e;
	char path[300];
	int r = -ENODEV;

	if (!dir)
		return -errno;
	while (r < 0 && (e = readdir(dir))) {
		if (e->d_name[0] == '.' || strlen(e->d_name) >= IFNAMSIZ)
			continue;
		snprintf(path, sizeof(path), "/sys/class/net/%s/device", e->d_name);
		if (access(path, F_OK) < 0)
			continue;
		snprintf(ret, IFNAMSIZ, "%.15s", e->d_name);
		r = 0;
	}
	closedir(dir);
	return r;
}

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

static int take_addresses(const struct joey_json *o, struct joey_arena *arena, struct joey_net_setup *n,
			  struct joey_err *err)
{
	const struct joey_json *list;
	int r = elements(o, "addresses", JOEY_JSON_STRING, &list, err);

	if (r == 0)
		r = room_for(list, arena, sizeof(*n->addresses.v), &n->addresses.v, &n->addresses.n, err);
	for (size_t i = 0; r == 0 && i < n->addresses.n; i++) {
		n->addresses.v[i] = joey_arena_strdup(arena, list->u.array.v[i]->u.text);
		if (!n->addresses.v[i])
			return joey_err_sys(err, ENOMEM, "guest: net");
	}
	return r;
}

static int take_routes(const struct joey_json *o, struct joey_arena *arena, struct joey_net_setup *n,
		       struct joey_err *err)
{
	struct joey_net_route *v = NULL;
	const struct joey_json *list;
	int r = elements(o, "routes", JOEY_JSON_OBJECT, &list, err);

	if (r == 0)
		r = room_for(list, arena, sizeof(*v), &v, &n->n_routes, err);
	for (size_t i = 0; r == 0 && i < n->n_routes; i++) {
		const struct joey_json *route = list->u.array.v[i];
		uint64_t scope = 0;
		int got = joey_json_get_u64(route, "scope", &scope);

		if ((got < 0 && got != -ENOENT) || scope > 255)
			return bad(err, "scope");
		v[i] = (struct joey_net_route){ joey_json_get_string(route, "to"), joey_json_get_string(route, "via"),
						(uint32_t)scope };
	}
	n->routes = v;
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

static int configure(const struct joey_json *o, struct joey_arena *arena, struct joey_err *err)
{
	char current[IFNAMSIZ];
	struct joey_net_setup n = { .current = current, .name = joey_json_get_string(o, "device") };
	uint64_t mtu = 0;
	int r;

	n.mac = joey_json_get_string(o, "mac");
	if (!n.name || !n.name[0] || strlen(n.name) >= IFNAMSIZ)
		return bad(err, "device");
	r = joey_json_get_u64(o, "mtu", &mtu);
	if ((r < 0 && r != -ENOENT) || mtu > 65535)
		return bad(err, "mtu");
	n.mtu = (uint32_t)mtu;
	r = take_addresses(o, arena, &n, err);
	if (r == 0)
		r = take_routes(o, arena, &n, err);
	if (r == 0)
		r = take_neighbours(o, arena, &n, err);
	if (r < 0)
		return r;
	r = find_device(current);
	if (r < 0)
		return joey_err_sys(err, r, "guest: find the network device");
	return joey_net_configure(&n, err) < 0 ? joey_err_wrap(err, "guest: net") : 0;
}

int agent_net(const struct joey_json *request, struct joey_err *err)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	int r = configure(request, &arena, err);

	joey_arena_done(&arena);
	return r;
}
