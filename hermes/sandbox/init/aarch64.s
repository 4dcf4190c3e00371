// As x86_64.s, for aarch64.
        .globl  _start
_start: ldr     x19, [sp]                       // argc
        add     x20, sp, 16                     // &argv[1]
        add     x21, x20, x19, lsl 3            // the environment
        mov     x0, 3
        mov     x8, 57                          // close
        svc     0
        stp     xzr, xzr, [sp, -16]!
        stp     xzr, xzr, [sp, -16]!
        mov     x0, 2                           // SIGINT
        mov     x1, sp                          // to SIG_DFL
        mov     x2, 0
        mov     x3, 8
        mov     x8, 134                         // rt_sigaction
        svc     0
        mov     x0, 3                           // SIGQUIT
        svc     0
        mov     x0, 17                          // SIGCHLD
        mov     x1, 0
        mov     x2, 0
        mov     x3, 0
        mov     x4, 0
        mov     x8, 220                         // clone
        svc     0
        cmp     x0, 0
        b.lt    fail
        b.eq    child
        mov     x22, x0
        sub     sp, sp, 16
wait:   mov     x0, -1
        mov     x1, sp
        mov     x2, 0
        mov     x3, 0
        mov     x8, 260                         // wait4
        svc     0
        cmp     x0, x22
        b.ne    wait
        ldr     w0, [sp]
        ands    w1, w0, 0x7f
        b.eq    exited
        add     w0, w1, 128                     // ended by a signal
        b       exit
exited: ubfx    w0, w0, 8, 8
exit:   mov     x8, 94                          // exit_group
        svc     0
child:  ldr     x0, [x20]
        add     x1, x20, 8
        mov     x2, x21
        mov     x8, 221                         // execve
        svc     0
        cmn     x0, 8                           // ENOEXEC
        b.ne    fail
        ldr     x1, [x20]
        str     x1, [x20, 8]
        adr     x0, shell
        str     x0, [x20]
        mov     x1, x20
        mov     x2, x21
        mov     x8, 221
        svc     0
fail:   mov     x0, 2
        adr     x1, message
        mov     x2, length
        mov     x8, 64                          // write
        svc     0
        mov     x0, 126
        b       exit
shell:  .asciz  "/bin/sh"
message:
        .ascii  "hermes: the program cannot be executed (is its interpreter there?)\n"
        .set    length, . - message
