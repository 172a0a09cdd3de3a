/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "daemon/zap.h"
#include "libdvm/proto/zsource.h"

#define ENDPOINT "inproc://zeromq.zap.01"
#define BUDGET	 32

struct dvmd_zap {
	void *socket; /* REP */
	struct dvmi_zsource *source;
	dvmd_zap_fn *allow;
	void *arg;
};

/* Frames of a request, in their order on the wire. */
enum { VERSION, REQUEST, DOMAIN, ADDRESS, IDENTITY, MECHANISM, KEY, FRAMES };

struct frames {
	zmq_msg_t part[FRAMES];
	int n; /* as received, more than FRAMES included */
};

/* 0, or -EAGAIN when no request waits. */
static int receive(void *socket, struct frames *f)
{
	zmq_msg_t extra;
	int more = 1;

	for (int i = 0; i < FRAMES; i++)
		zmq_msg_init(&f->part[i]);
	zmq_msg_init(&extra);
	for (f->n = 0; more; f->n++) {
		zmq_msg_t *m = f->n < FRAMES ? &f->part[f->n] : &extra;
		if (zmq_msg_recv(m, socket, ZMQ_DONTWAIT) < 0)
			break;
		more = zmq_msg_more(m);
	}
	zmq_msg_close(&extra);
	return f->n ? 0 : -EAGAIN;
}

static void release(struct frames *f)
{
	for (int i = 0; i < FRAMES; i++)
		zmq_msg_close(&f->part[i]);
}

static bool equals(zmq_msg_t *m, const char *text)
{
	return zmq_msg_size(m) == strlen(text) && !memcmp(zmq_msg_data(m), text, strlen(text));
}

static bool permitted(struct dvmd_zap *zap, struct frames *f)
{
	char address[64];

	if (f->n != FRAMES || !equals(&f->part[VERSION], "1.0") ||
	    !equals(&f->part[DOMAIN], DVMD_ZAP_DOMAIN) || !equals(&f->part[MECHANISM], "CURVE") ||
	    zmq_msg_size(&f->part[KEY]) != DVMD_ZAP_KEY)
		return false;
	snprintf(address, sizeof address, "%.*s", (int)zmq_msg_size(&f->part[ADDRESS]),
		 (char *)zmq_msg_data(&f->part[ADDRESS]));
	return zap->allow(zmq_msg_data(&f->part[KEY]), address, zap->arg);
}

static void answer(struct dvmd_zap *zap, struct frames *f, bool yes)
{
	char user[2 * DVMD_ZAP_KEY + 1] = "";
	const char *status = yes ? "200" : "400", *text = yes ? "" : "unknown key";

	if (yes)
		sodium_bin2hex(user, sizeof user, zmq_msg_data(&f->part[KEY]), DVMD_ZAP_KEY);
	zmq_send(zap->socket, "1.0", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(zap->socket, zmq_msg_data(&f->part[REQUEST]), zmq_msg_size(&f->part[REQUEST]),
		 ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(zap->socket, status, strlen(status), ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(zap->socket, text, strlen(text), ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(zap->socket, user, strlen(user), ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(zap->socket, "", 0, ZMQ_DONTWAIT);
}

static int take(void *socket, void *arg)
{
	struct dvmd_zap *zap = arg;
	struct frames f;

	if (receive(socket, &f) == 0)
		answer(zap, &f, permitted(zap, &f));
	release(&f);
	return f.n;
}

int dvmd_zap_open(struct dvmd_zap **out, void *zmq, uv_loop_t *loop, dvmd_zap_fn *allow, void *arg)
{
	struct dvmd_zap *zap = calloc(1, sizeof *zap);
	int none = 0, rc = 0;

	if (!zap)
		return -ENOMEM;
	zap->allow = allow;
	zap->arg = arg;
	zap->socket = zmq_socket(zmq, ZMQ_REP);
	if (!zap->socket || zmq_setsockopt(zap->socket, ZMQ_LINGER, &none, sizeof none) < 0 ||
	    zmq_bind(zap->socket, ENDPOINT) < 0)
		rc = -zmq_errno();
	if (rc == 0)
		rc = dvmi_zsource_open(&zap->source, loop, zap->socket, BUDGET, take, zap);
	if (rc < 0) {
		dvmd_zap_close(zap);
		return rc;
	}
	*out = zap;
	return 0;
}

void dvmd_zap_close(struct dvmd_zap *zap)
{
	if (!zap)
		return;
	dvmi_zsource_close(zap->source);
	if (zap->socket)
		zmq_close(zap->socket);
	free(zap);
}

int dvmd_zap_user_key(const char *user, uint8_t key[DVMD_ZAP_KEY])
{
	const size_t chars = 2 * DVMD_ZAP_KEY;
	size_t len = 0;

	if (!user || strlen(user) != chars)
		return -EINVAL;
	int rc = sodium_hex2bin(key, DVMD_ZAP_KEY, user, chars, NULL, &len, NULL);
	return rc == 0 && len == DVMD_ZAP_KEY ? 0 : -EINVAL;
}
