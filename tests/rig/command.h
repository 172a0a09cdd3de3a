/* SPDX-License-Identifier: BSD-3-Clause */
/* The description of a command and its first process, on the emulated host. */
#ifndef TESTS_RIG_COMMAND_H
#define TESTS_RIG_COMMAND_H

#include "tests/rig/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RIG_COMMAND_WORDS 4096 /* of argv, and of the environment */

struct rig_command {
	char *user; /* NULL: root */
	char *dir;  /* NULL: the user's home */
	char *argv[RIG_COMMAND_WORDS + 1];
	size_t argc;
	char *env[RIG_COMMAND_WORDS + 1];
	size_t envc;
	bool tty;
	uint32_t winsize; /* as RIG_WINSIZE */
	pid_t pid;	  /* once started: leader of its session and process group */
	int pipe[3];	  /* our ends of its standard streams, not blocking; -1: closed */
};

/* Makes an empty description. */
void rig_command_init(struct rig_command *cmd);

/* Adds one frame between READY and GO to the description. 0; -EPROTO for a frame that has no
 * place there, -E2BIG for too many words, -ENOMEM. */
int rig_command_take(struct rig_command *cmd, const struct rig_frame *frame);

/* Starts the process. A program that cannot be run says so on its standard error and exits with
 * 126 or 127; this is no error here. 0 or -E (-ENOENT: no such user). */
int rig_command_start(struct rig_command *cmd);

/* Tells the command's terminal its size. 0 or -E. */
int rig_command_winsize(struct rig_command *cmd, uint32_t winsize);

/* Closes and frees what cmd holds; the process is left alone. */
void rig_command_fini(struct rig_command *cmd);

#endif
