// SPDX-License-Identifier: GPL-2.0-only
/*
 * One io_uring: set-up with a stepwise fallback, submission, waiting.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "ring.h"

/* Where a submission finds no memory: how often it is tried, 1 ms apart. */
#define SUBMIT_TRIES	10000

static const struct {
	unsigned int flag;
	const char *name;
} flag_names[] = {
	{ IORING_SETUP_IOPOLL, "iopoll" },
	{ IORING_SETUP_SQPOLL, "sqpoll" },
	{ IORING_SETUP_SQ_AFF, "sq_aff" },
	{ IORING_SETUP_COOP_TASKRUN, "coop_taskrun" },
	{ IORING_SETUP_SINGLE_ISSUER, "single_issuer" },
	{ IORING_SETUP_DEFER_TASKRUN, "defer_taskrun" },
};

const char *ring_flag_name(const struct ring *ring, unsigned int nth)
{
	for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++) {
		if ((ring->setup_flags & flag_names[i].flag) && !nth--)
			return flag_names[i].name;
	}
	return NULL;
}

static int explain_setup(int err, const struct ring_conf *conf, struct why *why)
{
	switch (err) {
	case -ENOSYS:
		return why_set(why, err, "io_uring_setup: this kernel has no io_uring");
	case -EPERM:
		return why_set(why, err, "io_uring_setup: io_uring is forbidden here; "
			       "see sysctl kernel.io_uring_disabled, and seccomp in containers");
	case -EINVAL:
		if (conf->sqpoll_pinned)
			return why_set(why, err, "io_uring_setup: sqthread_poll_cpu=%u: "
				       "no such CPU, or not one this job may use",
				       conf->sqpoll_cpu);
		break;
	case -ENOMEM:
		return why_set(why, err, "io_uring_setup: no memory for %u entries",
			       conf->depth);
	}
	return why_set(why, err, "io_uring_setup: %s", strerror(-err));
}

int ring_init(struct ring *ring, const struct ring_conf *conf, struct why *why)
{
	/*
	 * Best first. Deferred task work runs completions only where we wait
	 * for them; cooperative at least spares the interrupt that would force
	 * them in. A polling kernel thread submits by itself and takes neither.
	 */
	static const unsigned int normal[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_COOP_TASKRUN,
		0,
	};
	static const unsigned int polled[] = {
		IORING_SETUP_SINGLE_ISSUER,
		0,
		0,
	};
	const unsigned int *steps = conf->sqpoll ? polled : normal;
	unsigned int fixed = IORING_SETUP_CQSIZE;
	struct io_uring_params p;
	int ret = -EINVAL;

	if (conf->depth > RING_MAX_DEPTH)
		return why_set(why, -EINVAL, "iodepth=%u: io_uring takes at most %u",
			       conf->depth, RING_MAX_DEPTH);

	if (conf->iopoll)
		fixed |= IORING_SETUP_IOPOLL;
	if (conf->sqpoll)
		fixed |= IORING_SETUP_SQPOLL;
	if (conf->sqpoll_pinned)
		fixed |= IORING_SETUP_SQ_AFF;

	for (int i = 0; i < 3 && ret == -EINVAL; i++) {
		memset(&p, 0, sizeof(p));
		p.flags = fixed | steps[i];
		p.sq_thread_cpu = conf->sqpoll_cpu;
		/* never more completions than requests: the default is twice that */
		p.cq_entries = conf->depth;
		ret = io_uring_queue_init_params(conf->depth, &ring->uring, &p);
	}
	if (ret < 0)
		return explain_setup(ret, conf, why);

	ring->setup_flags = p.flags;
	ring->sqpoll = conf->sqpoll;
	ring->live = true;
	/* Spares a file look-up for each system call. Kernels before 5.18 go without. */
	io_uring_register_ring_fd(&ring->uring);
	return 0;
}

void ring_exit(struct ring *ring)
{
	if (ring->live)
		io_uring_queue_exit(&ring->uring);
	memset(ring, 0, sizeof(*ring));
}

int ring_submit(struct ring *ring)
{
	static const struct timespec ms = { .tv_nsec = 1000000 };
	int ret, tries = 0;

	/* the thread takes them; this only wakes it where it has gone to sleep */
	if (ring->sqpoll) {
		ret = io_uring_submit(&ring->uring);
		return ret < 0 ? ret : 0;
	}

	do {
		ring->enters++;
		ret = io_uring_submit_and_get_events(&ring->uring);
		if (ret >= 0 || ret == -EINTR)
			continue;
		if ((ret != -EAGAIN && ret != -EBUSY) || ++tries == SUBMIT_TRIES)
			return ret;
		nanosleep(&ms, NULL);
	} while (io_uring_sq_ready(&ring->uring));

	return 0;
}

int ring_wait(struct ring *ring, unsigned int nr)
{
	int ret;

	/* what that thread is for: no system call for what it will do by itself */
	if (ring->sqpoll)
		return ring_submit(ring);

	ring->enters++;
	if (nr)
		ret = io_uring_submit_and_wait(&ring->uring, nr);
	else
		ret = io_uring_get_events(&ring->uring);
	if (ret != -EAGAIN && ret != -EBUSY)
		return ret < 0 && ret != -EINTR ? ret : 0;

	/* out of memory for requests: tried for some time, but not for ever */
	return io_uring_sq_ready(&ring->uring) ? ring_submit(ring) : 0;
}
