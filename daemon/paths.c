/* SPDX-License-Identifier: BSD-3-Clause */
/* Where things are: names only, nothing is created or looked at. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/paths.h"
#include "libdvm/base/err.h"

/* The longest of the sockets: one of a job. */
#define LONGEST_SOCKET "/jobs/18446744073709551615/shep.sock"

static const char *env(const char *name)
{
	const char *s = getenv(name);

	return s && *s ? s : NULL;
}

static int too_long(dvm_error_t *err, const char *what)
{
	return dvmi_error_set(err, -ENAMETOOLONG, "%s is too long", what);
}

/* "A" + "B" into OUT. */
static int join(char *out, size_t size, const char *a, const char *b, dvm_error_t *err)
{
	return snprintf(out, size, "%s%s", a, b) < (int)size ? 0 : too_long(err, a);
}

/* XDG_RUNTIME_DIR of another user (after su) is as good as none. */
static bool is_runtime_dir_of(const char *path, uid_t uid)
{
	struct stat st;

	return path && path[0] == '/' && stat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
	       st.st_uid == uid;
}

int dvmd_paths_run_base(uid_t uid, char out[PATH_MAX], dvm_error_t *err)
{
	const char *forced = env("DVM_RUN_BASE"), *xdg = env("XDG_RUNTIME_DIR");

	if (forced && uid == geteuid())
		return join(out, PATH_MAX, forced, "", err);
	if (uid == 0)
		return join(out, PATH_MAX, "/run/dvm", "", err);
	if (is_runtime_dir_of(xdg, uid))
		return join(out, PATH_MAX, xdg, "/dvm", err);
	snprintf(out, PATH_MAX, "/tmp/dvm-%u", (unsigned)uid);
	return 0;
}

static const char *home(void)
{
	const char *h = env("HOME");

	if (h)
		return h;
	const struct passwd *pw = getpwuid(geteuid());
	return pw && pw->pw_dir[0] == '/' ? pw->pw_dir : NULL;
}

static int state_base(char out[PATH_MAX], dvm_error_t *err)
{
	const char *forced = env("DVM_STATE_BASE"), *xdg = env("XDG_STATE_HOME");

	if (forced)
		return join(out, PATH_MAX, forced, "", err);
	if (geteuid() == 0)
		return join(out, PATH_MAX, "/var/lib/dvm", "", err);
	if (xdg && xdg[0] == '/')
		return join(out, PATH_MAX, xdg, "/dvm", err);
	if (!home())
		return dvmi_error_set(err, -ENOENT,
				      "no home directory for durable files; set state_dir");
	return join(out, PATH_MAX, home(), "/.local/state/dvm", err);
}

static bool said(const char *s)
{
	return s && *s;
}

static int check_absolute(const char *path, const char *what, dvm_error_t *err)
{
	if (path[0] == '/')
		return 0;
	return dvmi_error_set(err, -EINVAL, "%s \"%s\" is not an absolute path", what, path);
}

static int check_sockets(const char *run, dvm_error_t *err)
{
	size_t n = strlen(run) + strlen(LONGEST_SOCKET) + 1;

	if (n <= DVMD_SUN_PATH_MAX)
		return 0;
	return dvmi_error_set(err, -ENAMETOOLONG,
			      "run-time directory %s is %zu bytes too long for the sockets in it; "
			      "use shorter names or set run_dir",
			      run, n - DVMD_SUN_PATH_MAX);
}

/* An exact directory that ends in MACHINE/NODE lies in a base all the same. */
static void find_base(struct dvmd_paths *p, const char *run)
{
	char tail[2 * DVMD_NAME_MAX + 4];
	size_t n = strlen(run), m;

	snprintf(tail, sizeof tail, "/%s/%s", p->machine, p->node);
	m = strlen(tail);
	if (n > m && n - m < sizeof p->base && !strcmp(run + n - m, tail))
		snprintf(p->base, n - m + 1, "%s", run);
}

static int set_run(struct dvmd_paths *p, const struct dvmd_paths_want *w, dvm_error_t *err)
{
	char run[2 * PATH_MAX];
	int rc;

	if (said(w->run)) {
		rc = join(run, sizeof run, w->run, "", err);
		find_base(p, w->run);
	} else if (said(w->run_base))
		rc = join(p->base, sizeof p->base, w->run_base, "", err);
	else
		rc = dvmd_paths_run_base(geteuid(), p->base, err);
	if (rc == 0 && !said(w->run))
		snprintf(run, sizeof run, "%s/%s/%s", p->base, p->machine, p->node);
	if (rc == 0)
		rc = check_absolute(run, "run-time directory", err);
	if (rc == 0)
		rc = check_sockets(run, err);
	if (rc < 0)
		return rc;
	snprintf(p->run, sizeof p->run, "%.*s", (int)sizeof p->run - 1, run);
	return join(p->client_sock, sizeof p->client_sock, p->run, "/client.sock", err);
}

static int set_state(struct dvmd_paths *p, const struct dvmd_paths_want *w, dvm_error_t *err)
{
	char base[PATH_MAX], below[2 * DVMD_NAME_MAX + 4];
	int rc;

	if (said(w->state))
		rc = join(p->state, sizeof p->state, w->state, "", err);
	else if (w->with_host)
		rc = join(p->state, sizeof p->state, p->run, "/state", err);
	else {
		rc = said(w->state_base) ? join(base, sizeof base, w->state_base, "", err)
					 : state_base(base, err);
		snprintf(below, sizeof below, "/%s/%s", p->machine, p->node);
		if (rc == 0)
			rc = join(p->state, sizeof p->state, base, below, err);
	}
	return rc < 0 ? rc : check_absolute(p->state, "durable directory", err);
}

int dvmd_paths_node(struct dvmd_paths *out, const struct dvmd_paths_want *want, dvm_error_t *err)
{
	struct dvmd_paths p = { 0 };
	const char *machine = said(want->machine) ? want->machine : "default";
	int rc = dvmd_name_check("machine name", machine, err);

	if (rc == 0)
		rc = dvmd_name_check("node name", want->node, err);
	if (rc < 0)
		return rc;
	strcpy(p.machine, machine);
	strcpy(p.node, want->node);
	rc = set_run(&p, want, err);
	if (rc == 0)
		rc = set_state(&p, want, err);
	if (rc == 0)
		*out = p;
	return rc;
}
