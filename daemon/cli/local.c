/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cli/cli.h"
#include "daemon/cli/conn.h"
#include "daemon/cli/local.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

#define COMMAND_FILE "start"
#define COMMAND_MAX  65536 /* bytes */

/* Where one user's machines are; UID 0 is everybody's. */
static char *base_of(uid_t uid, const char *machine)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	char *path;
	int rc;

	if (uid == 0)
		rc = asprintf(&path, "/run/dvm/%s", machine);
	else if (xdg && *xdg == '/')
		rc = asprintf(&path, "%s/dvm/%s", xdg, machine);
	else
		rc = asprintf(&path, "/tmp/dvm-%u/%s", (unsigned)uid, machine);
	return rc < 0 ? NULL : path;
}

char *cli_local_base(const char *machine)
{
	return base_of(geteuid(), machine);
}

/* A directory that is there must be ours alone: /tmp is everybody's. */
static int check_owner(const char *path, dvm_error_t *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return dvmi_error_code(err, -errno, "%s", path);
	if (!S_ISDIR(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0))
		return dvmi_error_set(err, -EPERM, "%s is not a directory of yours", path);
	return 0;
}

/* Creates the directories from the N-th byte of PATH on; root's can be entered by its users. */
static int make_from(char *path, size_t n, dvm_error_t *err)
{
	mode_t mode = geteuid() == 0 ? 0755 : 0700;

	for (char *slash = path + n; slash; *slash = '/') {
		slash = strchr(slash + 1, '/');
		if (slash)
			*slash = '\0';
		if (mkdir(path, mode) < 0 && errno != EEXIST)
			return dvmi_error_code(err, -errno, "%s", path);
		int rc = check_owner(path, err);
		if (rc < 0 || !slash)
			return rc;
	}
	return 0;
}

/* Bytes of PATH that are the system's to create: /run, /tmp or $XDG_RUNTIME_DIR. */
static size_t system_part(const char *path)
{
	const char *dvm = strstr(path, "/dvm");

	return dvm ? (size_t)(dvm - path) : 0;
}

int cli_local_make(const char *base, const char *name, dvm_error_t *err)
{
	cleanup_free char *path = NULL;

	if (asprintf(&path, *name ? "%s/%s" : "%s%s", base, name) < 0) {
		path = NULL;
		return dvmi_error_code(err, -ENOMEM, "%s", base);
	}
	return make_from(path, system_part(path), err);
}

static bool is_alive(const char *dir)
{
	cleanup_free char *path = NULL;

	if (asprintf(&path, "%s/client.sock", dir) < 0) {
		path = NULL;
		return false;
	}
	cleanup_fd int fd = cli_connect(path, NULL);
	return fd >= 0;
}

static int add_node(struct cli_local *l, const char *base, const char *name)
{
	struct cli_local_node *nodes = realloc(l->nodes, (l->n + 1) * sizeof *nodes);
	struct cli_local_node n = { .name = strdup(name) };
	char *command = NULL;

	if (nodes)
		l->nodes = nodes;
	if (asprintf(&n.dir, "%s/%s", base, name) < 0)
		n.dir = NULL;
	if (n.dir && asprintf(&command, "%s/" COMMAND_FILE, n.dir) < 0)
		command = NULL;
	if (!nodes || !n.name || !n.dir || !command) {
		free(n.name);
		free(n.dir);
		free(command);
		return -ENOMEM;
	}
	n.alive = is_alive(n.dir);
	n.ours = access(command, R_OK) == 0;
	free(command);
	l->alive += n.alive;
	nodes[l->n++] = n;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strverscmp(((const struct cli_local_node *)a)->name,
			  ((const struct cli_local_node *)b)->name);
}

int cli_local_list(struct cli_local *out, const char *base, dvm_error_t *err)
{
	cleanup_dir DIR *dir = opendir(base);
	struct cli_local l = { 0 };
	struct dirent *e;
	int rc = 0;

	if (!dir && errno != ENOENT)
		return dvmi_error_code(err, -errno, "%s", base);
	while (rc == 0 && dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			rc = add_node(&l, base, e->d_name);
	if (rc < 0) {
		cli_local_free(&l);
		return dvmi_error_code(err, rc, "%s", base);
	}
	if (l.n)
		qsort(l.nodes, l.n, sizeof *l.nodes, by_name);
	*out = l;
	return 0;
}

void cli_local_free(struct cli_local *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->nodes[i].name);
		free(l->nodes[i].dir);
	}
	free(l->nodes);
	*l = (struct cli_local){ 0 };
}

int cli_local_lock(const char *base, dvm_error_t *err)
{
	cleanup_fd int fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return dvmi_error_code(err, -errno, "%s", base);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return dvmi_error_set(err, -EBUSY,
				      "another dvm is starting or halting this machine");
	return take_fd(fd);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

int cli_local_remove(const char *base, const char *name)
{
	cleanup_free char *path = NULL;

	if (asprintf(&path, "%s/%s", base, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	/* Depth first, without following links and without leaving the file system. */
	int rc = nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	return rc < 0 && errno != ENOENT ? -errno : 0;
}

void cli_local_remove_base(const char *base)
{
	rmdir(base);
}

int cli_local_remember(const char *dir, char *const *argv)
{
	cleanup_free char *path = NULL;
	cleanup_file FILE *f = NULL;

	if (asprintf(&path, "%s/" COMMAND_FILE, dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || !(f = fdopen(fd, "w")))
		return -errno;
	fd = -1;
	for (; *argv; argv++)
		fprintf(f, "%s\n", *argv);
	return fflush(f) == EOF ? -errno : 0;
}

static char *read_file(const char *path)
{
	cleanup_file FILE *f = fopen(path, "re");
	cleanup_free char *text = malloc(COMMAND_MAX + 1);
	size_t n;

	if (!f || !text || (n = fread(text, 1, COMMAND_MAX, f)) == 0)
		return NULL;
	text[n] = '\0';
	return take_ptr(text);
}

char **cli_local_recall(const char *dir)
{
	cleanup_free char *path = NULL, *text = NULL;
	size_t words = 1, n = 0;

	if (asprintf(&path, "%s/" COMMAND_FILE, dir) < 0)
		path = NULL;
	if (!path || !(text = read_file(path)))
		return NULL;
	for (const char *p = text; *p; p++)
		words += *p == '\n';
	size_t size = strlen(text) + 1;
	char **argv = malloc(words * sizeof *argv + size);
	if (!argv)
		return NULL;
	char *copy = memcpy(argv + words, text, size), *line;
	while (n + 1 < words && (line = strsep(&copy, "\n")))
		argv[n++] = line;
	argv[n] = NULL;
	return argv;
}

/* ---- the socket every other command talks to ---- */

/*
 * The first node that runs, preferring the one we are a rank of. A user who has no node of the
 * machine talks to root's.
 */
static char *find_socket(const char *base, bool *any, dvm_error_t *err)
{
	const char *mine = getenv("DVM_NODENAME");
	struct cli_local l = { 0 };
	const struct cli_local_node *best = NULL;
	char *path = NULL;

	if (cli_local_list(&l, base, err) < 0)
		return NULL;
	for (size_t i = 0; i < l.n; i++) {
		if (l.nodes[i].alive && (!best || (mine && !strcmp(l.nodes[i].name, mine))))
			best = &l.nodes[i];
		*any = true;
	}
	if (best && asprintf(&path, "%s/client.sock", best->dir) < 0)
		path = NULL;
	cli_local_free(&l);
	return path;
}

char *cli_socket(const struct cli *c, dvm_error_t *err)
{
	cleanup_free char *own = cli_local_base(c->machine), *roots = base_of(0, c->machine);
	dvm_error_t why = { 0 };
	const char *exact = getenv("DVM_RUN_DIR");
	bool any = false;
	char *path = NULL;

	if (exact && *exact) {
		if (asprintf(&path, "%s/client.sock", exact) < 0)
			dvmi_error_code(err, -ENOMEM, "%s", exact);
		return path;
	}
	if (own && roots) {
		path = find_socket(own, &any, &why);
		if (!path && geteuid() != 0)
			path = find_socket(roots, &any, &why);
	}
	if (path)
		return path;
	if (why.code)
		*err = why;
	else if (any)
		dvmi_error_set(
			err, -DVM_ENOMACHINE,
			"no node of machine %s runs here any more; `dvm up` starts them again",
			c->machine);
	else
		dvmi_error_set(
			err, -DVM_ENOMACHINE,
			"machine %s does not run here; `dvm up` starts it, `dvm join` joins one",
			c->machine);
	return NULL;
}
