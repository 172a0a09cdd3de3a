/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/conn.h"
#include "daemon/cli/show.h"

struct choice {
	uint64_t lifetime; /* ns, 0: dvmd's default */
	uint32_t uses;
	bool json, quiet;
};

enum { LIFETIME = 1, USES, JSON, QUIET };

static const struct dvmi_opt options[] = {
	{ LIFETIME, 0, "lifetime", NULL, "TIME", "The token",
	  "how long it can be used (default: 1h)", NULL },
	{ USES, 0, "uses", NULL, "N", NULL, "how many nodes may join with it (default: 1)", NULL },
	{ QUIET, 'q', "quiet", NULL, NULL, "Output", "print nothing but the token", NULL },
	{ JSON, 0, "json", NULL, NULL, NULL, "print JSON", NULL },
	CLI_GENERAL_OPTIONS,
};

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	struct choice *c = arg;

	switch (id) {
	case LIFETIME:
		return dvmi_opt_duration(p, &c->lifetime, err);
	case USES:
		return dvmi_opt_u32(p, 1, 1000000, &c->uses, err);
	case JSON:
		c->json = true;
		return 0;
	default:
		c->quiet = true;
		return 0;
	}
}

static int print(const struct cli *c, const struct choice *choice, const Pb__TokenReply *r)
{
	if (choice->json)
		return cli_json_print(json_pack("{s:o, s:o, s:i}", "token",
						cli_json_string(r->token), "address",
						cli_json_string(r->address), "port", (int)r->port));
	puts(r->token);
	if (!choice->quiet)
		fprintf(stderr,
			"On the host that is to join, give it to:\n  dvm%s%s join %s:%u "
			"--token-file -\n",
			c->machine ? " -M " : "", c->machine ? c->machine : "", r->address,
			r->port);
	return 0;
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	Pb__TokenRequest req = PB__TOKEN_REQUEST__INIT;
	struct choice choice = { .uses = 1 };
	struct dvmi_opt_parser p;
	dvm_error_t err;
	int rc = cli_options(c, cmd, argc, argv, &p, set, &choice);

	if (rc != CLI_GO)
		return rc;
	req.lifetime_ns = choice.lifetime;
	req.uses = choice.uses;
	cleanup_pb Pb__TokenReply *r = NULL;
	if (cli_ask(c, DVMI_MSG_TOKEN, &req, &pb__token_reply__descriptor, &r, &err) < 0)
		return cli_fail(c, &err);
	return print(c, &choice, r) < 0 ? CLI_FAILED : 0;
}

const struct cli_command cli_cmd_token = {
	.opt = { .name = "dvm token",
		 .brief = "make a one-time token with which a host can join",
		 .text = "The token holds a secret key: whoever has it can join. It is of no use "
			 "after "
			 "its last use or the end of its lifetime.",
		 .options = options },
	.family = "The machine",
	.run = run,
};
