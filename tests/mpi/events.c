/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program of PMIx alone. Rank 0 notifies all others, wherever they are; then the last rank is
 * killed, and the survivors hear of it. Each survivor says what it has heard. The job must keep going.
 */
#include <pmix.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WORD_CODE (PMIX_EXTERNAL_ERR_BASE - 7)
#define PATIENCE  30 /* s */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static char word[32];
static int dead = -1, registered;

static void on_event(size_t handler, pmix_status_t code, const pmix_proc_t *source,
		     pmix_info_t info[], size_t n, pmix_info_t results[], size_t n_results,
		     pmix_event_notification_cbfunc_fn_t done, void *arg)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < n; i++) {
		if (code == WORD_CODE && PMIX_CHECK_KEY(&info[i], "test.word"))
			snprintf(word, sizeof word, "%s", info[i].value.data.string);
		if (code == PMIX_ERR_PROC_ABORTED &&
		    PMIX_CHECK_KEY(&info[i], PMIX_EVENT_AFFECTED_PROC))
			dead = (int)info[i].value.data.proc->rank;
	}
	pthread_cond_signal(&news);
	pthread_mutex_unlock(&lock);
	done(PMIX_EVENT_ACTION_COMPLETE, NULL, 0, NULL, NULL, arg);
}

static void on_registered(pmix_status_t status, size_t handler, void *arg)
{
	pthread_mutex_lock(&lock);
	registered += status == PMIX_SUCCESS;
	pthread_cond_signal(&news);
	pthread_mutex_unlock(&lock);
}

static int heard_word(void)
{
	return *word != 0;
}

static int heard_death(void)
{
	return dead >= 0;
}

static int is_registered(void)
{
	return registered == 1;
}

static void wait_for(int (*what)(void), const char *name)
{
	struct timespec end;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += PATIENCE;
	pthread_mutex_lock(&lock);
	while (!what() && rc == 0)
		rc = pthread_cond_timedwait(&news, &lock, &end);
	pthread_mutex_unlock(&lock);
	if (rc) {
		printf("never: %s\n", name);
		exit(1);
	}
}

static void fence(const pmix_proc_t *self)
{
	pmix_proc_t all;

	PMIX_LOAD_PROCID(&all, self->nspace, PMIX_RANK_WILDCARD);
	if (PMIx_Fence(&all, 1, NULL, 0) != PMIX_SUCCESS)
		exit(2);
}

static void notify(const pmix_proc_t *self)
{
	pmix_info_t info;

	PMIX_INFO_LOAD(&info, "test.word", "hello", PMIX_STRING);
	if (PMIx_Notify_event(WORD_CODE, self, PMIX_RANGE_NAMESPACE, &info, 1, NULL, NULL) < 0)
		exit(3);
}

int main(void)
{
	pmix_status_t codes[] = { WORD_CODE, PMIX_ERR_PROC_ABORTED };
	pmix_value_t *value;
	pmix_proc_t self, all;

	if (PMIx_Init(&self, NULL, 0) != PMIX_SUCCESS)
		return 4;
	PMIX_LOAD_PROCID(&all, self.nspace, PMIX_RANK_WILDCARD);
	if (PMIx_Get(&all, PMIX_JOB_SIZE, NULL, 0, &value) != PMIX_SUCCESS)
		return 5;
	PMIx_Register_event_handler(codes, 2, NULL, 0, on_event, on_registered, NULL);
	wait_for(is_registered, "the handler is registered");
	fence(&self);
	if (self.rank == 0)
		notify(&self);
	else
		wait_for(heard_word, "a word of rank 0");
	fence(&self);
	if (self.rank == value->data.uint32 - 1)
		raise(SIGKILL);
	wait_for(heard_death, "the end of the last rank");
	printf("rank %u heard %s, rank %d is dead\n", self.rank, *word ? word : "itself", dead);
	fflush(stdout);
	PMIx_Finalize(NULL, 0);
	return 0;
}
