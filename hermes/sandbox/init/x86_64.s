# The first process of a container: it starts a command, waits for whatever ends, and ends as the command did.
# Its arguments are the path of the program and then the command's own, from argv[0] on. Descriptor 3, which
# the runtime started it from, is closed. The keys of a terminal, which bubblewrap ignores, are the command's
# business again. What cannot be executed gives the status 126. A file that is no program is given to a shell, as execvp(3) does.
        .intel_syntax noprefix
        .globl  _start
_start: mov     r12, [rsp]                      # argc
        lea     r13, [rsp + 16]                 # &argv[1]
        lea     r14, [rsp + r12 * 8 + 16]       # the environment
        mov     edi, 3
        mov     eax, 3                          # close
        syscall
        push    0
        push    0
        push    0
        push    0
        mov     edi, 2                          # SIGINT
        mov     rsi, rsp                        # to SIG_DFL
        xor     edx, edx
        mov     r10d, 8
        mov     eax, 13                         # rt_sigaction
        syscall
        mov     edi, 3                          # SIGQUIT
        mov     eax, 13
        syscall
        mov     eax, 57                         # fork
        syscall
        test    eax, eax
        js      fail
        jz      child
        mov     r15d, eax
        sub     rsp, 16
wait:   mov     rdi, -1
        mov     rsi, rsp
        xor     edx, edx
        xor     r10d, r10d
        mov     eax, 61                         # wait4
        syscall
        cmp     eax, r15d
        jne     wait
        mov     edi, [rsp]
        mov     eax, edi
        and     eax, 0x7f
        jz      exited
        lea     edi, [rax + 128]                # ended by a signal
        jmp     exit
exited: shr     edi, 8
        and     edi, 0xff
exit:   mov     eax, 231                        # exit_group
        syscall
child:  mov     rdi, [r13]
        lea     rsi, [r13 + 8]
        mov     rdx, r14
        mov     eax, 59                         # execve
        syscall
        cmp     eax, -8                         # ENOEXEC
        jne     fail
        mov     rax, [r13]
        mov     [r13 + 8], rax
        lea     rdi, [rip + shell]
        mov     [r13], rdi
        mov     rsi, r13
        mov     rdx, r14
        mov     eax, 59
        syscall
fail:   mov     edi, 2
        lea     rsi, [rip + message]
        mov     edx, offset length
        mov     eax, 1                          # write
        syscall
        mov     edi, 126
        jmp     exit
shell:  .asciz  "/bin/sh"
message:
        .ascii  "hermes: the program cannot be executed (is its interpreter there?)\n"
        .set    length, . - message
