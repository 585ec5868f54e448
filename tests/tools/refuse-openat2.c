/* Makes openat2 fail with ENOSYS, as on a kernel before 5.6, or with EPERM, as under an old seccomp profile, and runs a
 * program: refuse-openat2 [--eperm] PROGRAM ARGUMENT... A cargo runner for the suite. */

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

int main(int argc, char **argv)
{
	unsigned int answer = ENOSYS;

	argv++;
	if (argc > 1 && strcmp(argv[0], "--eperm") == 0) {
		answer = EPERM;
		argv++;
	}
	if (argv[0] == NULL) {
		fprintf(stderr, "usage: refuse-openat2 [--eperm] PROGRAM ARGUMENT...\n");
		return 2;
	}

	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | answer),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	/* Root needs no NO_NEW_PRIVS, and set-user-id programs in the tests go on working without it. */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0 &&
	    (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)) {
		perror("refuse-openat2: seccomp");
		return 2;
	}
	execvp(argv[0], argv);
	perror(argv[0]);
	return 127;
}
