/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev/shm that containers of a machine share, as the host's "shm" says: a tmpfs of the guest's in place of the one
 * that the engine made on the host.  Over the share its files would be common, but memory mapped from them would not.
 */
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "agent/agent-internal.h"
#include "joey/json.h"

static int parse_one(struct agent_job *j, const struct joey_json *o, struct joey_err *err)
{
	uint64_t mount, mode, uid, gid;
	struct agent_shm shm;

	if (j->n_shm == JOEY_ARRAY_SIZE(j->shm) || joey_json_get_u64(o, "mount", &mount) < 0 ||
	    joey_json_get_u64(o, "key", &shm.key) < 0 || joey_json_get_u64(o, "size", &shm.size) < 0 ||
	    joey_json_get_u64(o, "mode", &mode) < 0 || joey_json_get_u64(o, "uid", &uid) < 0 ||
	    joey_json_get_u64(o, "gid", &gid) < 0 || mount > UINT32_MAX || mode > 07777 || uid > UINT32_MAX ||
	    gid > UINT32_MAX)
		return agent_request_bad(err, "shm");
	shm.mount = (uint32_t)mount;
	shm.mode = (mode_t)mode;
	shm.uid = (uid_t)uid;
	shm.gid = (gid_t)gid;
	j->shm[j->n_shm++] = shm;
	return 0;
}

int agent_shm_parse(struct agent_job *j, struct joey_err *err)
{
	return agent_request_each(j, "shm", parse_one, err);
}

void agent_shm_path(const char *dir, const struct agent_shm *shm, char *ret, size_t size)
{
	snprintf(ret, size, "%s/shm-%llx", dir, (unsigned long long)shm->key);
}

/* One that is there already is somebody's, or was: it stays until the machine ends. */
static int make(const char *dir, const struct agent_shm *shm, struct joey_err *err)
{
	char path[320], options[96];

	agent_shm_path(dir, shm, path, sizeof(path));
	if (mkdir(path, 0700) < 0)
		return errno == EEXIST ? 0 : joey_err_sys(err, errno, "make %s", path);
	snprintf(options, sizeof(options), "size=%llu,mode=%o,uid=%u,gid=%u", (unsigned long long)shm->size,
		 (unsigned)shm->mode, (unsigned)shm->uid, (unsigned)shm->gid);
	if (mount("shm", path, "tmpfs", 0, options) < 0) {
		int failed = errno;

		(void)rmdir(path);
		return joey_err_sys(err, failed, "mount a tmpfs for /dev/shm");
	}
	return 0;
}

int agent_shm_prepare(const struct agent *a, const struct agent_job *j, struct joey_err *err)
{
	int r = 0;

	for (size_t i = 0; i < j->n_shm && r == 0; i++)
		r = make(a->dir, &j->shm[i], err);
	return r;
}
