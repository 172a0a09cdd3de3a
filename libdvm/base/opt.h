/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Command lines: one static table per command says everything about its options, and parsing,
 * --help, bash completion and the manual's synopsis all come from it.
 *
 *	static const struct dvmi_opt options[] = {
 *		{ 'n', 'n', "ranks", "-np", "N", "Placement", "start N ranks", NULL },
 *		{ OPT_OVER, 0, "oversubscribe", NULL, NULL, NULL, "more ranks than slots", NULL },
 *		{ 0 },
 *	};
 *	dvmi_opt_init(&p, &command, argc, argv);
 *	while ((id = dvmi_opt_next(&p, &err)) > 0)
 *		switch (id) { case 'n': dvmi_opt_number(&p, 1, MAX, &ranks, &err) … }
 *	if (id < 0) … err.text is one line without the program's name, fit to be printed
 *	… p.operands[0 … p.n_operands - 1]
 *
 * Spellings that are understood: -n 4, -n4, -vn4, --ranks 4, --ranks=4, and single-dash long
 * aliases as mpirun has them (-np 4), which win over a bundle of letters. `--` ends the options;
 * a lone `-` is an operand. Long names are not abbreviated.
 *
 * No globals; a parser belongs to one thread.
 */
#ifndef DVMI_BASE_OPT_H
#define DVMI_BASE_OPT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dvm/error.h"
#include "libdvm/base/buf.h"

struct dvmi_opt {
	int id;		     /* what dvmi_opt_next() returns, > 0; 0 ends the table */
	char letter;	     /* 'n' for -n, or 0 */
	const char *name;    /* "ranks" for --ranks, or NULL */
	const char *aliases; /* further spellings with their dashes: "-np --procs", or NULL */
	const char *arg;     /* what its argument is called: "N"; NULL: it takes none */
	const char *group;   /* heading in --help from here on; NULL: as before */
	const char *help;    /* one sentence, wrapped as needed; NULL: works, but is not listed */
	/*
	 * How a shell completes the argument: the words themselves ("none core numa"), or one of
	 * "@file" "@dir" "@user" "@host", or "@KIND" for what `dvm complete KIND` prints, one word
	 * a line (KIND: node, job, guest); NULL: not.
	 */
	const char *words;
};

/* Returned for -h and --help where the table does not have them itself. */
#define DVMI_OPT_HELP INT_MAX

struct dvmi_opt_command {
	const char *name;     /* "dvm run" */
	const char *operands; /* for the synopsis: "PROG [ARG]…", or NULL: it takes none */
	const char *brief;    /* one line: "start a parallel job" */
	const char *text;     /* more for --help and the manual, paragraphs by "\n\n"; or NULL */
	const struct dvmi_opt *options;
	const char *words;     /* completion of the operands, like dvmi_opt.words */
	bool stop_at_operand;  /* options end at the first operand: what follows is its own */
	unsigned min_operands; /* fewer is an error that names `operands` */
	unsigned max_operands; /* more is an error; 0: any number, if `operands` is set */
};

struct dvmi_opt_parser {
	/* After each next() > 0: the option as it was spelled, and its argument or NULL. */
	const char *spelled;
	const char *arg;
	const struct dvmi_opt *opt; /* NULL for DVMI_OPT_HELP */
	/* When next() has returned 0; ARGV is reordered so that they are adjacent in it. */
	char **operands;
	int n_operands;
	/* Private: */
	const struct dvmi_opt_command *command;
	char **argv;
	int argc, at;
	const char *bundle; /* letters still to come of -abc */
	bool dashed;	    /* `--` was seen */
	char letter[3];	    /* "-n", for `spelled` */
	char name[64];
};

/* ARGV[0] is skipped. The strings stay the caller's and must live as long as the parser. */
void dvmi_opt_init(struct dvmi_opt_parser *p, const struct dvmi_opt_command *command, int argc,
		   char **argv);

/*
 * The next option's id, 0 at the end, -EINVAL with ERR for an unknown option (with the nearest
 * known one), a missing or superfluous argument, too few or too many operands.
 */
int dvmi_opt_next(struct dvmi_opt_parser *p, dvm_error_t *err);

/* The argument of the current option as a value; errors name the option and what it takes. */
int dvmi_opt_number(const struct dvmi_opt_parser *p, uint64_t min, uint64_t max, uint64_t *out,
		    dvm_error_t *err);
int dvmi_opt_u32(const struct dvmi_opt_parser *p, uint32_t min, uint32_t max, uint32_t *out,
		 dvm_error_t *err);
int dvmi_opt_size(const struct dvmi_opt_parser *p, uint64_t *bytes, dvm_error_t *err);
int dvmi_opt_duration(const struct dvmi_opt_parser *p, uint64_t *ns, dvm_error_t *err);

/* The index of the argument in the NULL-terminated WORDS, or -EINVAL with the nearest one. */
int dvmi_opt_choice(const struct dvmi_opt_parser *p, const char *const *words, dvm_error_t *err);

/*
 * A second argument ("--mca NAME VALUE", as other launchers have them): the next word, which is
 * used up. NULL with ERR where there is none.
 */
const char *dvmi_opt_second(struct dvmi_opt_parser *p, dvm_error_t *err);

/* -EINVAL with "OPTION ARG: why", for checks of the caller's own. */
int dvmi_opt_bad(const struct dvmi_opt_parser *p, dvm_error_t *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* -EINVAL with `unknown WHAT "WORD"; did you mean "…"?`; WORDS as above. For sub-commands. */
int dvmi_opt_unknown(const char *what, const char *word, const char *const *words,
		     dvm_error_t *err);

/* What --help prints, WIDTH columns wide (0: 80). Errors latch in OUT. */
void dvmi_opt_help(const struct dvmi_opt_command *command, unsigned width, struct dvmi_buf *out);

/* The synopsis and the list of options as reStructuredText, for the manual pages. */
void dvmi_opt_manual(const struct dvmi_opt_command *command, struct dvmi_buf *out);

/*
 * A bash completion script for PROGRAM. With more than one command, what follows the first word of
 * a command's name is the sub-command ("dvm run" → run); one with verbs of its own is followed by
 * them ("dvm guest", "dvm guest stop"). With one command, its options are the program's own.
 */
void dvmi_opt_completion(const char *program, const struct dvmi_opt_command *const *commands,
			 size_t n, struct dvmi_buf *out);

#endif
