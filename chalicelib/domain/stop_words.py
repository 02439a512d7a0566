"""Words too common to search for, by language; short lists of closed-class words, as Lucene's English one is."""

from __future__ import annotations

STOP_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": (
            "a an and are as at be but by for if in into is it no not of on or such that the their then there "
            "these they this to was will with"
        ),
        "fr": (
            "à au aux avec ce ces c d dans de des du elle en est et eux il ils j je l la le les leur lui m ma "
            "mais me même mes n ne nos notre nous on ont ou où par pas pour qu que qui s sa se ses son sont sur "
            "ta te tes toi ton tu un une vos votre vous y"
        ),
        "es": (
            "a al como con de del el ella ellas ellos en entre era es esta este esto fue ha la las le les lo los "
            "más me mi muy no nos o para pero por que se si sin sobre son su sus también te tu un una uno y ya"
        ),
        "pt": (
            "a ao aos as à às com como da das de do dos e é ela elas ele eles em entre era essa esse esta este "
            "foi há isso isto já mais mas me na nas não no nos o os ou para pela pelas pelo pelos por que se sem "
            "seu seus sua suas são também te um uma"
        ),
        "it": (
            "a ad agli ai al alla alle anche c che chi ci come con cui d da dagli dai dal dalla dalle degli dei "
            "del della delle di e è ed era fra gli ha ho i il in l la le lo loro ma me mi ne negli nei nel nella "
            "nelle no noi non o per più quella quello questa questo s se si sono su sua sugli sui sul sulla sulle "
            "suo ti tra tu un una uno vi voi"
        ),
        "de": (
            "aber als am an auch auf aus bei bin bis da das dass dem den der des die doch du durch ein eine einem "
            "einen einer eines er es für hat hatte ich ihr im in ist ja kann man mich mir mit nach nicht noch nur "
            "oder sein sich sie sind so über um und uns vom von vor war was wenn wie wir wird zu zum zur"
        ),
        "nl": (
            "aan al als bij dan dat de der deze die dit doch door een en er ge had heb heeft het hij hoe hun ik "
            "in is ja je kan maar me men met mij mijn na naar niet nog nu of om onder ons ook op over te tot u "
            "uit van voor want was wat we wel werd wij wordt ze zich zij zijn zo zou"
        ),
        "ar": (
            "آن أن أنا أنت أنه أنها أو أي إذ إذا إلا إلى إن إنه إنها الا التي الذي الذين الى ان او بعد بن به بها "
            "بين تلك ثم حتى حيث ذلك عن عند على علي غير فى في فيه فيها قد كان كانت كل كما لا لقد لكن لم لن له لها "
            "ليس ما مع من منذ منه منها نحن هذا هذه هل هم هناك هو هي و وقد وكان ولا وهو وهي يا"
        ),
    }.items()
}
