/* Prints the FNV-1a hash of a word. */
#include <stdio.h>

int main(int argc, char **argv) {
    unsigned hash = 2166136261u;
    for (const char *at = argc > 1 ? argv[1] : ""; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    printf("%08x\n", hash);
    return 0;
}
