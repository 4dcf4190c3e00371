FROM base
ENV U=web G=staff
USER $U:$G
LABEL "user.$U"="is $G"
