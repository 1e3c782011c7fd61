# R's values for tests/reference/data/other.csv, as rows of r_statistics.csv (400 invented patients, tied times).
# Debian: apt install r-cran-rms r-cran-proc r-cran-survival r-cran-psych r-cran-cmprsk
# Run in tests/reference: Rscript regenerate.R > other_rows.csv, and put the rows in place of those of the table "other".
suppressMessages({library(survival); library(rms); library(pROC); library(psych); library(cmprsk)})
d <- read.csv('data/other.csv'); dd <- datadist(d); options(datadist='dd')
row <- function(call, key, value, tol, cite) cat(sprintf('other,"%s",%s,%.12g,%g,"%s"\n', call, key, as.numeric(value), tol, cite))
V <- R.version.string
# discrimination
r1 <- roc(d$y, d$s1, quiet=TRUE, direction='<'); r0 <- roc(d$y, d$s0, quiet=TRUE, direction='<')
call <- 'auc --outcome y --score s1'; ci <- ci.auc(r1, method='delong')
row(call, 'auc', auc(r1), 1e-9, 'pROC auc'); row(call, 'ci.0', ci[1], 1e-9, 'pROC ci.auc'); row(call, 'ci.1', ci[3], 1e-9, 'pROC ci.auc')
co <- coords(r1, 'best', best.method='youden', ret=c('threshold','tp','fn','sensitivity','specificity'))[1,]
row(call, 'youden.threshold', co$threshold, 1e-9, 'pROC coords'); row(call, 'youden.specificity', co$specificity, 1e-9, 'pROC coords')
w <- prop.test(co$tp, co$tp + co$fn, correct=FALSE)$conf.int
row(call, 'youden.ci.sensitivity.0', w[1], 1e-9, 'prop.test, Wilson'); row(call, 'youden.ci.sensitivity.1', w[2], 1e-9, 'prop.test, Wilson')
call <- 'compare --outcome y --score s1 --baseline s0'; t <- roc.test(r1, r0, method='delong', paired=TRUE)
row(call, 'z', t$statistic, 1e-8, 'pROC roc.test'); row(call, 'p', t$p.value, 1e-8, 'pROC roc.test')
# calibration
call <- 'calibration --outcome y --score s1'; v <- val.prob(d$s1, d$y, pl=FALSE)
for (k in list(c('brier','Brier'), c('intercept','Intercept'), c('slope','Slope'), c('ici','Eavg'), c('emax','Emax'), c('e90','E90')))
  row(call, k[1], v[k[2]], 1e-7, 'rms val.prob')
row(call, 'in_the_large', coef(glm(d$y ~ offset(qlogis(d$s1)), family=binomial)), 1e-7, 'glm with offset')
call <- 'reclassify --outcome y --score s1 --baseline s0'; i <- Hmisc::improveProb(d$s0, d$s1, d$y)
for (k in list(c('continuous_nri','nri'), c('nri_z','z.nri'), c('idi','idi'), c('idi_z','z.idi'))) row(call, k[1], i[[k[2]]], 1e-8, 'Hmisc improveProb')
# nomogram with a spline, and a category
call <- 'nomogram --outcome y --predictors age,size,centre --splines age=4'
f <- lrm(y ~ rcs(age,4) + size + centre, d, x=TRUE, y=TRUE, tol=1e-12, eps=1e-10); n <- nomogram(f, maxscale=100, lp=TRUE)
for (k in seq_along(coef(f))) row(call, paste0('coef.', c('Intercept','age',"age'","age''",'size','centre=B','centre=C')[k]), coef(f)[k], 1e-5, 'rms lrm, rcs 4')
for (k in seq_along(n$age$points)) row(call, paste0('axes.age.points.', k-1), n$age$points[k], 1e-4, 'rms nomogram, rcs 4')
for (k in seq_along(n$centre$points)) row(call, paste0('axes.centre.points.', k-1), n$centre$points[k], 1e-4, 'rms nomogram, category')
for (k in seq_along(n$lp$x)) row(call, paste0('outcome.', k-1, '.points'), n$lp$x[k], 1e-4, 'rms nomogram')
# Cox nomogram
call <- 'nomogram --time time --event event --predictors age,size,male --at 12,36'
S <- Surv(d$time, d$event); g <- cph(S ~ age + size + male, d, x=TRUE, y=TRUE, surv=TRUE, method='efron', eps=1e-10)
n <- nomogram(g, maxscale=100, lp=TRUE)
for (k in names(coef(g))) row(call, paste0('coef.', k), coef(g)[k], 1e-7, 'rms cph')
row(call, 'center', g$center, 1e-7, 'rms cph')
for (k in seq_along(n$size$points)) row(call, paste0('axes.size.points.', k-1), n$size$points[k], 1e-6, 'rms nomogram of cph')
lp <- n$lp$x.real; pts <- n$lp$x; cx <- coxph(S ~ age + size + male, d); b <- basehaz(cx, centered=FALSE)
h <- sapply(c(12,36), function(x) max(b$hazard[b$time <= x]))
for (k in seq_along(lp)) { row(call, paste0('outcome.', 2*k-2, '.points'), pts[k], 1e-6, 'rms nomogram of cph'); row(call, paste0('outcome.', 2*k-1, '.survival'), exp(-h[2]*exp(lp[k] + g$center)), 1e-6, 'basehaz at 36') }
# survival
call <- 'km --time time --event event --group centre --at 12,24,36'; s <- summary(survfit(S ~ centre, d), times=c(12,24,36), extend=TRUE)
for (k in seq_along(s$time)) { gname <- sub('centre=','',as.character(s$strata[k])); j <- (k-1) %% 3
  for (p in list(c('at_risk','n.risk'), c('survival','surv'), c('lower','lower'), c('upper','upper'))) row(call, paste('groups', gname, 'table', j, p[1], sep='.'), s[[p[2]]][k], 1e-9, 'survfit, ties') }
l <- survdiff(S ~ centre, d); row(call, 'logrank.chi2', l$chisq, 1e-8, 'survdiff, three groups'); row(call, 'logrank.p', pchisq(l$chisq, 2, lower.tail=FALSE), 1e-8, 'survdiff')
m <- summary(survfit(S ~ centre, d), rmean=36)$table
for (k in 1:3) { row(call, paste0('rmst.', c('A','B','C')[k], '.mean'), m[k,'rmean'], 1e-8, 'survfit rmean'); row(call, paste0('rmst.', c('A','B','C')[k], '.se'), m[k,'se(rmean)'], 1e-8, 'survfit rmean') }
call <- 'cox --time time --event event --predictors age,size,male'; z <- cox.zph(cx)
for (k in names(coef(cx))) { row(call, paste0('coef.', k), coef(cx)[k], 1e-8, 'coxph, ties'); row(call, paste0('se.', k), sqrt(diag(vcov(cx)))[k], 1e-8, 'coxph'); row(call, paste0('schoenfeld_p.', k), z$table[k,'p'], 1e-8, 'cox.zph') }
row(call, 'schoenfeld_p.GLOBAL', z$table['GLOBAL','p'], 1e-8, 'cox.zph'); row(call, 'c_index', cx$concordance['concordance'], 1e-9, 'coxph')
call <- 'incidence --time time --event cause --at 12,36'; q <- timepoints(cuminc(d$time, d$cause), c(12,36))$est
for (a in 1:2) for (j in 1:2) row(call, paste('by_cause', a, j-1, sep='.'), q[a,j], 1e-9, 'cmprsk cuminc')
call <- 'icc --columns r1,r2,r3'; ic <- ICC(as.matrix(d[,c('r1','r2','r3')]), lmer=FALSE)$results
for (k in 1:6) row(call, c('icc1','icc2','icc3','icc1k','icc2k','icc3k')[k], ic$ICC[k], 1e-9, 'psych ICC')
row(call, 'icc2_ci.0', ic[2,'lower bound'], 1e-8, 'psych ICC'); row(call, 'icc2_ci.1', ic[2,'upper bound'], 1e-8, 'psych ICC')
# baseline table
call <- 'baseline --group y --columns age,size,male,centre'
row(call, 'rows.0.p', t.test(age ~ y, d)$p.value, 1e-8, 't.test, Welch')
row(call, 'rows.1.p', wilcox.test(size ~ y, d, correct=TRUE, exact=FALSE)$p.value, 1e-8, 'wilcox.test')
row(call, 'rows.2.p', chisq.test(table(d$male, d$y), correct=FALSE)$p.value, 1e-8, 'chisq.test')
row(call, 'rows.3.p', chisq.test(table(d$centre, d$y), correct=FALSE)$p.value, 1e-8, 'chisq.test')
