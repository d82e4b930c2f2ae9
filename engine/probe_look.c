// SPDX-License-Identifier: GPL-2.0-only
/*
 * fio-dmabuf-probe: looking at files, device nodes and other programs.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe_look.h"

char *look_read(char *to, size_t len, const char *fmt, ...)
{
	char path[PROBE_PATH];
	va_list ap;
	FILE *f;

	*to = '\0';
	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	f = fopen(path, "re");
	if (!f)
		return to;
	if (!fgets(to, len, f))
		*to = '\0';
	fclose(f);
	/* sysfs pads some values with spaces */
	for (size_t n = strlen(to); n && strchr(" \n", to[n - 1]); n--)
		to[n - 1] = '\0';
	return to;
}

long long look_number(const char *fmt, ...)
{
	char path[PROBE_PATH], text[32], *end;
	long long number;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	look_read(text, sizeof(text), "%s", path);
	number = strtoll(text, &end, 0);
	return end == text ? -1 : number;
}

char *look_link(char *to, size_t len, const char *fmt, ...)
{
	char path[PROBE_PATH], real[PATH_MAX];
	va_list ap;

	*to = '\0';
	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	if (realpath(path, real))
		snprintf(to, len, "%s", strrchr(real, '/') + 1);
	return to;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int look_list(const char *folder, struct dirent ***names)
{
	int nr;

	*names = NULL;
	nr = scandir(folder, names, not_hidden, versionsort);
	return nr < 0 ? 0 : nr;
}

void look_list_free(struct dirent **names, int nr)
{
	while (nr-- > 0)
		free(names[nr]);
	free(names);
}

bool look_node(struct probe_row *row, const char *path, int mode)
{
	unsigned int bits = (mode & R_OK ? 0040 : 0) | (mode & W_OK ? 0020 : 0);
	struct passwd *owner;
	struct group *group;
	char rights[128];
	struct stat st;

	if (stat(path, &st)) {
		probe_says(row, PROBE_NO, "%s: %s", path, strerror(errno));
		return false;
	}
	owner = getpwuid(st.st_uid);
	group = getgrgid(st.st_gid);
	snprintf(rights, sizeof(rights), "%04o %s:%s", st.st_mode & 07777,
		 owner ? owner->pw_name : "?", group ? group->gr_name : "?");
	probe_text(row, "rights", rights);

	if (!faccessat(AT_FDCWD, path, mode, AT_EACCESS)) {
		probe_says(row, PROBE_YES, NULL);
		return true;
	}
	probe_says(row, PROBE_NO, "%s: %s", path, strerror(errno));
	if ((st.st_mode & bits) == bits && group && st.st_gid)
		probe_try(row, "usermod -a -G %s USER, and log in again; or run as root",
			  group->gr_name);
	else
		probe_try(row, "run as root");
	return false;
}

/* In the child: what is run writes all it says into the pipe. */
static void __attribute__((noreturn)) become(const char *const argv[], int to)
{
	int null = open("/dev/null", O_RDONLY);

	if (null >= 0)
		dup2(null, STDIN_FILENO);
	dup2(to, STDOUT_FILENO);
	dup2(to, STDERR_FILENO);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

int look_run(const char *const argv[], void (*line)(const char *text, void *arg), void *arg)
{
	char *text = NULL;
	size_t room = 0;
	int ends[2], status;
	ssize_t len;
	pid_t pid;
	FILE *out;

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid)
		become(argv, ends[1]);
	close(ends[1]);
	out = fdopen(ends[0], "r");
	if (!out)
		close(ends[0]);
	while (out && (len = getline(&text, &room, out)) > 0) {
		if (text[len - 1] == '\n')
			text[len - 1] = '\0';
		line(text, arg);
	}
	free(text);
	if (out)
		fclose(out);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status) == 127 ? -1 : WEXITSTATUS(status);
}
