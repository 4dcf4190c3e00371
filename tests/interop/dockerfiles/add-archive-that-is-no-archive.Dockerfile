FROM base
ADD not.tar /x/
