/* SPDX-License-Identifier: BSD-3-Clause */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/paths.h"
#include "daemon/toposave.h"

struct toposave {
	uv_process_t process;
	struct dvmd *d;
	bool closing;
};

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

static void end(struct toposave *t)
{
	t->d->toposave = NULL;
	if (!t->closing)
		uv_close((uv_handle_t *)&t->process, on_closed);
	t->closing = true;
}

static void on_exit_status(uv_process_t *p, int64_t status, int signal)
{
	end(p->data);
}

void dvmd_toposave(struct dvmd *d)
{
	char program[PATH_MAX], file[DVMD_SUN_PATH_MAX + sizeof DVMD_TOPOLOGY_FILE + 1];
	char *args[] = { program, file, NULL };
	const uv_process_options_t options = { .exit_cb = on_exit_status,
					       .file = program,
					       .args = args,
					       .flags = UV_PROCESS_DETACHED };

	if (d->topology_saved)
		return;
	d->topology_saved = true;
	snprintf(file, sizeof file, "%s/" DVMD_TOPOLOGY_FILE, d->setup.run_dir);
	if (dvmd_paths_program(program, sizeof program, "dvm-topology", NULL) < 0)
		return;
	struct toposave *t = calloc(1, sizeof *t);
	if (!t)
		return;
	t->d = d;
	d->toposave = t;
	/* Also one that did not come to life has to be closed. */
	int rc = uv_spawn(d->loop, &t->process, &options);
	t->process.data = t;
	if (rc < 0)
		end(t);
}

void dvmd_toposave_stop(struct dvmd *d)
{
	if (!d->toposave)
		return;
	uv_process_kill(&d->toposave->process, SIGKILL);
	end(d->toposave);
}
