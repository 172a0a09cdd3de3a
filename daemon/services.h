/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What jobs ask for, beside what clients may: other jobs of their user, service names, one more
 * host; and the news that follow from having asked (interest.h).
 */
#ifndef DVMD_SERVICES_H
#define DVMD_SERVICES_H

#include "daemon/call.h"

/* Requests (call.c's table); each takes the call. */
void dvmd_services_record(struct dvmd_call *call, const uint8_t *body, size_t len);
void dvmd_services_name_put(struct dvmd_call *call, const uint8_t *body, size_t len);
void dvmd_services_name_get(struct dvmd_call *call, const uint8_t *body, size_t len);
void dvmd_services_name_drop(struct dvmd_call *call, const uint8_t *body, size_t len);

/* NODES was asked: a job's shepherd hears of the nodes from now on. */
void dvmd_services_nodes(const struct dvmd_call *call);

/* A command was applied here. */
void dvmd_services_applied(struct dvmd *d, const Pb__Command *cmd);
/* The whole state was replaced. */
void dvmd_services_resync(struct dvmd *d);

/* daemon/hostadd.c */
void dvmd_host_add_serve(struct dvmd_call *call, const uint8_t *body, size_t len);
/* The loop is over. */
void dvmd_host_add_stop(struct dvmd *d);

#endif
