/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions to the local dvmd that are answered at once: blocking calls on one connection. */
#ifndef DVMD_CLI_CONN_H
#define DVMD_CLI_CONN_H

#include "daemon/cli/cli.h"

#define CLI_CALL_TIMEOUT (30 * UINT64_C(1000000000)) /* ns */

struct cli_conn; /* incomplete */

/* A connected socket to the dvmd listening at PATH, or -E… with ERR. */
int cli_connect(const char *path, dvm_error_t *err);

/* Connects to the dvmd listening at PATH. */
int cli_conn_open(struct cli_conn **out, const char *path, dvm_error_t *err);
/* NULL is allowed. */
void cli_conn_close(struct cli_conn *conn);

/*
 * Sends REQ (NULL: no body) as TYPE and waits for the answer, a message of DESC in *reply (freed
 * with dvmi_pb_free()), or OK where DESC is NULL. Errors of the daemon come back as code and
 * text; -ETIMEDOUT after TIMEOUT ns; -DVM_EPEERLOST where dvmd went away.
 */
int cli_conn_call(struct cli_conn *conn, enum dvmi_msg_type type, const void *req,
		  const ProtobufCMessageDescriptor *desc, void *reply, uint64_t timeout,
		  dvm_error_t *err);

/*
 * A request answered by many messages of DESC and a final OK, without a deadline. EACH borrows
 * the message; less than 0 from it ends the call.
 */
typedef int cli_each_fn(const void *msg, void *arg);
int cli_conn_stream(struct cli_conn *conn, enum dvmi_msg_type type, const void *req,
		    const ProtobufCMessageDescriptor *desc, cli_each_fn *each, void *arg,
		    dvm_error_t *err);

/* The same two against the machine's local daemon, on a connection of their own. */
int cli_ask(const struct cli *c, enum dvmi_msg_type type, const void *req,
	    const ProtobufCMessageDescriptor *desc, void *reply, dvm_error_t *err);
int cli_ask_stream(const struct cli *c, enum dvmi_msg_type type, const void *req,
		   const ProtobufCMessageDescriptor *desc, cli_each_fn *each, void *arg,
		   dvm_error_t *err);

/* The socket of the machine's daemon on this host, malloc'ed; NULL with ERR. */
char *cli_socket(const struct cli *c, dvm_error_t *err);

#endif
