// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files of a job: opened as fio asks, or held open from set-up to clean-up, because a
 * registration is for one open file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zbd.h>

#include "files.h"

static int open_compare_fd(struct thread_data *td, struct fio_file *f, struct target *t)
{
	struct dmabuf_options *o = td->eo;
	int flags = O_RDONLY | O_CLOEXEC | (td->o.odirect ? O_DIRECT : 0);

	if (!o->compare)
		return 0;
	t->compare_fd = open(f->file_name, flags);
	if (t->compare_fd < 0)
		return complain(td, -errno, "compare=1: open(%s): %s", f->file_name,
				strerror(errno));
	return 0;
}

int files_open(struct thread_data *td, struct fio_file *f)
{
	struct dmabuf_data *dd = td->io_ops_data;
	struct target *t = dd ? FILE_ENG_DATA(f) : NULL;
	int ret;

	/* before post_init: for the file's size, or to lay it out */
	if (!t)
		return generic_open_file(td, f);
	if (dd->hold) {
		f->fd = t->held_fd;
		return 0;
	}

	ret = generic_open_file(td, f);
	if (ret)
		return ret;
	if (open_compare_fd(td, f, t)) {
		ret = generic_close_file(td, f);
		return 1;
	}
	t->sqe_fd = f->fd;
	return 0;
}

int files_close(struct thread_data *td, struct fio_file *f)
{
	struct dmabuf_data *dd = td->io_ops_data;
	struct target *t = dd ? FILE_ENG_DATA(f) : NULL;

	if (t && dd->hold) {
		f->fd = -1;
		return 0;
	}
	if (t && t->compare_fd >= 0) {
		close(t->compare_fd);
		t->compare_fd = -1;
	}
	return generic_close_file(td, f);
}

/*
 * A request that finds its dma-buf not mapped, as the first ones do, waits in a worker, and others
 * overtake it; a zone has to be written in order.
 */
static int check_zones(struct thread_data *td)
{
	struct dmabuf_options *o = td->eo;
	struct fio_file *f;
	unsigned int i;

	if (o->arm != ARM_DMABUF || !td_write(td) || td->o.iodepth == 1)
		return 0;
	for_each_file(td, f, i) {
		if (f->zbd_info && f->zbd_info->model == ZBD_HOST_MANAGED)
			return complain(td, -EINVAL, "iodepth=%u: %s is zoned, and with arm=dmabuf "
					"writes can overtake each other; take iodepth=1, and more "
					"jobs (numjobs)", td->o.iodepth, f->file_name);
	}
	return 0;
}

/*
 * A dma-buf is registered for one open file, and requests must use the very same, as
 * must those of a registered file. So open all now, let fio believe that they are
 * closed, and give it the same descriptor each time it opens them. As in fio's
 * io_uring engine.
 */
static int hold_files(struct thread_data *td, struct dmabuf_data *dd)
{
	struct dmabuf_options *o = td->eo;
	struct fio_file *f;
	unsigned int i;
	int *fds, ret;

	for_each_file(td, f, i) {
		struct target *t = &dd->targets[i];

		if (generic_open_file(td, f)) {
			int err = td->error ? td->error : EIO;

			return complain(td, -err, "filename=%s: cannot be opened: %s%s",
					f->file_name, strerror(err), err == EMFILE ?
					"; the job's files stay open, raise the limit (ulimit -n) "
					"or take fewer" : "");
		}
		t->held_fd = f->fd;
		/* fio opens a file twice where another thread does it at the same time */
		t->shadow_fd = f->shadow_fd;
		f->shadow_fd = -1;
		t->sqe_fd = o->registerfiles ? (int)i : f->fd;
		f->fd = -1;
		if (open_compare_fd(td, f, t))
			return 1;
	}
	if (!o->registerfiles)
		return 0;

	fds = calloc(dd->nr_targets, sizeof(*fds));
	if (!fds)
		return complain(td, -ENOMEM, "no memory");
	for (i = 0; i < dd->nr_targets; i++)
		fds[i] = dd->targets[i].held_fd;
	ret = io_uring_register_files(&dd->ring.uring, fds, dd->nr_targets);
	free(fds);
	if (ret < 0)
		return complain(td, ret, "registerfiles=1: io_uring_register_files of %u files: %s",
				dd->nr_targets, strerror(-ret));
	return 0;
}

const struct fio_file *files_find(struct thread_data *td, int fd)
{
	struct stat want, st;
	struct fio_file *f;
	unsigned int i;

	if (fstat(fd, &want) || !S_ISREG(want.st_mode))
		return NULL;
	for_each_file(td, f, i) {
		if (!stat(f->file_name, &st) && st.st_dev == want.st_dev &&
		    st.st_ino == want.st_ino)
			return f;
	}
	return NULL;
}

int files_prepare(struct thread_data *td, struct dmabuf_data *dd)
{
	struct fio_file *f;
	unsigned int i;

	dd->nr_targets = td->o.nr_files;
	dd->targets = calloc(dd->nr_targets, sizeof(*dd->targets));
	if (!dd->targets)
		return complain(td, -ENOMEM, "no memory for %u files", dd->nr_targets);
	for_each_file(td, f, i) {
		dd->targets[i].held_fd = -1;
		dd->targets[i].shadow_fd = -1;
		dd->targets[i].compare_fd = -1;
		FILE_SET_ENG_DATA(f, &dd->targets[i]);
	}
	return check_zones(td) || (dd->hold && hold_files(td, dd));
}

void files_free(struct dmabuf_data *dd)
{
	for (unsigned int i = 0; dd->targets && i < dd->nr_targets; i++) {
		if (dd->targets[i].held_fd >= 0)
			close(dd->targets[i].held_fd);
		if (dd->targets[i].shadow_fd >= 0)
			close(dd->targets[i].shadow_fd);
		if (dd->targets[i].compare_fd >= 0)
			close(dd->targets[i].compare_fd);
	}
	free(dd->targets);
}
