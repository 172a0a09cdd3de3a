/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cli/conn.h"
#include "daemon/cli/local.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

#define START_FILE "start"
#define START_MAX  65536 /* bytes */

int cli_local_list(struct cli_local *out, const char *machine, dvm_error_t *err)
{
	struct cli_local l = { 0 };
	size_t own = 0;
	int rc = dvmd_paths_list(&l.nodes, &l.n, machine, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < l.n; i++) {
		if (!l.nodes[i].own)
			continue;
		l.nodes[own] = l.nodes[i];
		l.alive += l.nodes[own++].alive;
	}
	l.n = own;
	*out = l;
	return 0;
}

/* Does the daemon of RUN answer? One that is busy does, in the end. */
static bool answers(const char *run)
{
	char path[DVMD_SUN_PATH_MAX + sizeof "/client.sock"];
	cleanup_pb Pb__InfoReply *r = NULL;
	struct cli_conn *conn;

	snprintf(path, sizeof path, "%s/client.sock", run);
	if (cli_conn_open(&conn, path, NULL) < 0)
		return false;
	int rc = cli_conn_call(conn, DVMI_MSG_INFO, NULL, &pb__info_reply__descriptor, &r,
			       CLI_CALL_TIMEOUT, NULL);
	cli_conn_close(conn);
	return rc != -DVM_EPEERLOST;
}

void cli_local_verify(struct cli_local *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->nodes[i].alive && !answers(l->nodes[i].run)) {
			l->nodes[i].alive = false;
			l->alive--;
		}
}

void cli_local_free(struct cli_local *l)
{
	free(l->nodes);
	*l = (struct cli_local){ 0 };
}

int cli_local_remove(const struct dvmd_present *node, dvm_error_t *err)
{
	char path[DVMD_SUN_PATH_MAX];
	int rc = dvmd_paths_remove(node->run, err);

	/* The machine's own directory, where this was the last one in it. */
	snprintf(path, sizeof path, "%s", node->run);
	char *slash = strrchr(path, '/');
	if (rc == 0 && slash) {
		*slash = '\0';
		rmdir(path);
	}
	return rc;
}

static char *start_path(const char *run)
{
	char *path;

	return asprintf(&path, "%s/" START_FILE, run) < 0 ? NULL : path;
}

int cli_local_remember(const char *run, char *const *argv)
{
	cleanup_free char *path = start_path(run);
	int fd =
		path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;

	if (fd < 0)
		return path ? -errno : -ENOMEM;
	cleanup_file FILE *f = fdopen(fd, "w");
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	for (; *argv; argv++)
		fprintf(f, "%s\n", *argv);
	return fflush(f) == EOF ? -errno : 0;
}

/* The file's text, which must be ours: the directory is checked by whoever made it. */
static char *read_start(const char *run)
{
	cleanup_free char *path = start_path(run), *text = malloc(START_MAX + 1);
	cleanup_fd int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	struct stat st;

	if (fd < 0 || !text || fstat(fd, &st) < 0 || st.st_uid != geteuid())
		return NULL;
	ssize_t n = read(fd, text, START_MAX);
	if (n <= 0)
		return NULL;
	text[n] = '\0';
	return take_ptr(text);
}

char **cli_local_recall(const char *run)
{
	cleanup_free char *text = read_start(run);
	size_t words = 1, n = 0;

	if (!text)
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

int cli_local_machine(struct cli *c, dvm_error_t *err)
{
	char run[DVMD_SUN_PATH_MAX];
	dvm_error_t none;

	if (c->machine)
		return 0;
	int rc = dvmd_paths_find(run, NULL, NULL, &none);
	if (rc == -DVM_ENOMACHINE) {
		c->machine = "default";
		return 0;
	}
	if (rc < 0) {
		*err = none;
		return rc;
	}
	cleanup_pb Pb__InfoReply *r = NULL;
	rc = cli_ask(c, DVMI_MSG_INFO, NULL, &pb__info_reply__descriptor, &r, err);
	if (rc < 0)
		return rc;
	snprintf(c->machine_text, sizeof c->machine_text, "%s", r->machine);
	c->machine = c->machine_text;
	return 0;
}

char *cli_socket(const struct cli *c, dvm_error_t *err)
{
	char run[DVMD_SUN_PATH_MAX], *path;
	/* Between the variables dvmd_paths_find() decides: $DVM_RUN_DIR is the more exact one. */
	const char *said = c->machine == getenv("DVM_MACHINE") ? NULL : c->machine;

	if (dvmd_paths_find(run, said, NULL, err) < 0)
		return NULL;
	if (asprintf(&path, "%s/client.sock", run) < 0) {
		dvmi_error_code(err, -ENOMEM, "%s", run);
		return NULL;
	}
	return path;
}
