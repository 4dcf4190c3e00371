#include <stdio.h>

int main(int argc, char **argv) {
    printf("hello %s, from a static program (%s)\n", argc > 1 ? argv[1] : "world", VERSION);
    return 0;
}
