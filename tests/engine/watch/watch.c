// SPDX-License-Identifier: GPL-2.0-only
/*
 * To be preloaded into fio: has the engine's WATCH_FAIL-th call for memory, mappings, descriptors
 * or of io_uring's set-up fail, and says when the process ends what the engine has left behind.
 * Jobs that are processes end without that.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MOST	65536

void *__libc_calloc(size_t nr, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *p);

static void *allocated[MOST];	/* by the engine, and not freed yet */
static long mapped;		/* bytes, likewise */
static int calls;

static bool by_engine(void *caller)
{
	Dl_info info;

	return dladdr(caller, &info) && strstr(info.dli_fname, "fio-dmabuf.so");
}

/* Is it this call's turn to fail? */
static bool fails(void *caller)
{
	static int which = -1;

	if (!by_engine(caller))
		return false;
	if (which < 0)
		which = getenv("WATCH_FAIL") ? atoi(getenv("WATCH_FAIL")) : 0;
	if (__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) != which)
		return false;
	errno = ENOMEM;
	return true;
}

static void remember(void *caller, void *p)
{
	if (!p || !by_engine(caller))
		return;
	for (int i = 0; i < MOST; i++) {
		void *none = NULL;

		if (__atomic_compare_exchange_n(&allocated[i], &none, p, false, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return;
	}
}

void *calloc(size_t nr, size_t size)
{
	void *caller = __builtin_return_address(0), *p;

	if (fails(caller))
		return NULL;
	p = __libc_calloc(nr, size);
	remember(caller, p);
	return p;
}

int posix_memalign(void **p, size_t align, size_t size)
{
	void *caller = __builtin_return_address(0);

	if (fails(caller))
		return ENOMEM;
	*p = __libc_memalign(align, size);
	remember(caller, *p);
	return *p ? 0 : ENOMEM;
}

void free(void *p)
{
	for (int i = 0; p && i < MOST && allocated[i]; i++) {
		if (allocated[i] == p) {
			/* not NULL: the search ends there */
			allocated[i] = allocated;
			break;
		}
	}
	__libc_free(p);
}

/* The next one of that name: the real one. */
#define REAL(name)	((__typeof__(&name))dlsym(RTLD_NEXT, #name))

void *mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	static __typeof__(&mmap) real;
	void *caller = __builtin_return_address(0), *p;

	if (!real)
		real = REAL(mmap);
	if (fails(caller))
		return MAP_FAILED;
	p = real(at, size, prot, flags, fd, offset);
	if (p != MAP_FAILED && !(flags & MAP_FIXED) && by_engine(caller))
		__atomic_add_fetch(&mapped, size, __ATOMIC_RELAXED);
	return p;
}

int munmap(void *at, size_t size)
{
	static __typeof__(&munmap) real;

	if (!real)
		real = REAL(munmap);
	if (by_engine(__builtin_return_address(0)))
		__atomic_sub_fetch(&mapped, size, __ATOMIC_RELAXED);
	return real(at, size);
}

/* The engine moves mappings to where it has others: one less. */
void *mremap(void *at, size_t size, size_t new_size, int flags, ...)
{
	static void *(*real)(void *, size_t, size_t, int, void *);
	void *caller = __builtin_return_address(0), *to, *p;
	va_list ap;

	va_start(ap, flags);
	to = va_arg(ap, void *);
	va_end(ap);
	if (!real)
		real = (void *)dlsym(RTLD_NEXT, "mremap");
	if (fails(caller))
		return MAP_FAILED;
	p = real(at, size, new_size, flags, to);
	if (p != MAP_FAILED && by_engine(caller))
		__atomic_sub_fetch(&mapped, size, __ATOMIC_RELAXED);
	return p;
}

int memfd_create(const char *name, unsigned int flags)
{
	return fails(__builtin_return_address(0)) ? -1 : REAL(memfd_create)(name, flags);
}

int ftruncate(int fd, off_t size)
{
	return fails(__builtin_return_address(0)) ? -1 : REAL(ftruncate)(fd, size);
}

int open(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = va_arg(ap, int);
	va_end(ap);
	return fails(__builtin_return_address(0)) ? -1 : REAL(open)(path, flags, mode);
}

int fcntl(int fd, int command, ...)
{
	va_list ap;
	long arg;

	va_start(ap, command);
	arg = va_arg(ap, long);
	va_end(ap);
	return fails(__builtin_return_address(0)) ? -1 : REAL(fcntl)(fd, command, arg);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	return fails(__builtin_return_address(0)) ? -1 :
	       ((int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl"))(fd, request, arg);
}

/* liburing's return what went wrong. */
#define FAILS(name, ...)							\
	(fails(__builtin_return_address(0)) ? -ENOMEM : REAL(name)(__VA_ARGS__))

int io_uring_queue_init_params(unsigned int nr, struct io_uring *ring, struct io_uring_params *p)
{
	return FAILS(io_uring_queue_init_params, nr, ring, p);
}

int io_uring_register_buffers_sparse(struct io_uring *ring, unsigned int nr)
{
	return FAILS(io_uring_register_buffers_sparse, ring, nr);
}

int io_uring_register_buffers_update_tag(struct io_uring *ring, unsigned int at,
					 const struct iovec *vecs, const __u64 *tags,
					 unsigned int nr)
{
	return FAILS(io_uring_register_buffers_update_tag, ring, at, vecs, tags, nr);
}

int io_uring_register_files(struct io_uring *ring, const int *fds, unsigned int nr)
{
	return FAILS(io_uring_register_files, ring, fds, nr);
}

int io_uring_register(unsigned int fd, unsigned int opcode, const void *arg, unsigned int nr)
{
	return FAILS(io_uring_register, fd, opcode, arg, nr);
}

/* Is this file or mapping one that nobody but the engine has? */
static bool ours(const char *line)
{
	static const char *const parts[] = {
		"memfd:fio-dmabuf", "[io_uring]", "/dmabuf:", "/dev/nvme", "fio-dmabuf-test-",
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strstr(line, parts[i])) {
			fprintf(stderr, "watch: left: %s\n", line);
			return true;
		}
	}
	return false;
}

static void __attribute__((destructor)) say(void)
{
	int memory = 0, fds = 0, maps = 0;
	char line[512];
	struct dirent *e;
	FILE *f;
	DIR *d;

	for (int i = 0; i < MOST; i++)
		memory += allocated[i] && allocated[i] != allocated;
	d = opendir("/proc/self/fd");
	while (d && (e = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, line, sizeof(line) - 1);

		line[n < 0 ? 0 : n] = '\0';
		fds += ours(line);
	}
	f = fopen("/proc/self/maps", "r");
	while (f && fgets(line, sizeof(line), f))
		maps += ours(line);
	fprintf(stderr, "watch: calls %d memory %d mapped %ld fds %d maps %d\n", calls, memory,
		mapped, fds, maps);
}
