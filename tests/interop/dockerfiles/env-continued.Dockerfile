FROM base
ENV A=1 \
# comment
    B=2 \
    C="three \
four"
